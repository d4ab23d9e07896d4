//! Works on one item: clone, `ralph`, tests, push, pull request.
//!
//! Start with [`config`] and [`credentials`] (the inputs), [`run`] (the phases in order) and [`outcome`] (the possible
//! outcomes and exit codes); then read the module of each phase.
//!
//! The repository, the agent and their output are untrusted. Once the agent has run, the worker never runs git in the
//! workspace's repository ([`workspace`]), and no process in the workspace receives the GitHub token or the worker token.

pub mod cgroup;
pub mod checks;
pub mod child_env;
pub mod cli;
pub mod concerns;
pub mod config;
pub mod credentials;
pub mod delivery;
pub mod git;
pub mod identity;
pub mod locks;
pub mod mcp;
pub mod outcome;
pub mod policy;
pub mod preflight;
pub mod pull_request;
pub mod ralph;
pub mod report;
mod retry;
pub mod review;
pub mod run;
mod text;
pub mod verify;
pub mod workspace;
