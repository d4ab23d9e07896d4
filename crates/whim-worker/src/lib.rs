//! Works on one item: clone, `ralph`, tests, push, pull request.
//!
//! Read in this order: [`config`] and [`credentials`] (what it is told), [`run`] (the story, phase by phase),
//! [`outcome`] (every way in which it can end), then the phases' own modules.
//!
//! Trust: the repository, the agent and all that they print are hostile. Two rules follow from that. No git process of
//! the worker ever runs in the workspace's repository once the agent was there ([`workspace`]), and no process in the
//! workspace ever gets the GitHub token or the worker's own.

pub mod checks;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod git;
pub mod locks;
pub mod memory;
pub mod outcome;
mod patience;
pub mod pull_request;
pub mod ralph;
pub mod report;
pub mod run;
pub mod surroundings;
mod text;
pub mod workspace;
