//! The world in virtual time that drives the machines.
