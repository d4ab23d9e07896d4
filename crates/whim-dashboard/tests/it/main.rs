//! The dashboard's server, in this process or as a program, against fakes and real connections.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test whose world cannot be made, or is not as it must be, has failed"
)]

mod foreign;
mod forwarding;
mod login;
mod metrics;
mod pages;
mod program;
mod streams;
mod upstream;
mod world;
