//! Tests of the real program: whole output, real git repositories, small scripted agents.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its world has nothing better to do than to panic"
)]

mod claude_code;
mod cli;
mod contents;
mod create_spec;
mod descendants;
mod garbage;
mod harness;
mod limits;
mod notes;
mod rejection;
mod repository;
mod review;
mod run;
mod signals;
mod spec;
mod stuck;
mod validate;
mod world;
