mod hello;
mod world;
