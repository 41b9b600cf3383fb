mod crossing;
mod hello;
mod limits;
mod shutdown;
mod world;
