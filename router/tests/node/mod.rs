mod across;
mod crossing;
mod faults;
mod groups;
mod hello;
mod limits;
mod shutdown;
mod world;
