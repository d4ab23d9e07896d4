//! The client against a server with scripted responses.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test")]

mod answers;
mod names;
mod repeat;
mod routes;
mod server;
mod streams;
