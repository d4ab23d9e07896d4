//! The socket proxy, in front of a stand-in for the container engine.

mod bodies;
mod others;
mod program;
mod requests;
mod streams;
mod world;
