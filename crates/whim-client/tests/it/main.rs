//! The client against a server that says what it is told to say.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test")]

mod answers;
mod names;
mod repeat;
mod routes;
mod server;
mod streams;
