mod across;
mod crossing;
mod groups;
mod hello;
mod limits;
mod shutdown;
mod world;
