//! The program `archipelago`.

fn main() {}
