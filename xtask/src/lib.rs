//! `cargo xtask`: the rules of the project, offline query data, and the steps of CI.

#![expect(
    clippy::print_stdout,
    reason = "a command for the terminal: its output is its purpose"
)]

pub mod bench;
pub mod chaos;
pub mod ci;
pub mod cli;
pub mod command;
pub mod services;
pub mod sqlx;
pub mod tidy;
pub mod workspace;
