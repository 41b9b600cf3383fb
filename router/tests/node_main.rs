//! A node and its neighbours in virtual time: real machines, toy cryptography, queues for links.

mod node;
