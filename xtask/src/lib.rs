//! Rules that run: what the project asks of its own code, offline query data, and what CI does.

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
