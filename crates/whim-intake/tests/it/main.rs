//! The intake against fakes of GitHub, the model API and the orchestrator.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test whose world cannot be made, or is not as it must be, has failed"
)]

mod access;
mod commands;
mod crashes;
mod hostile_issues;
mod limits;
mod logs;
mod outcomes;
mod pages;
mod program;
mod quarantine;
mod renamed;
mod reruns;
mod specs;
mod stops;
mod submission;
mod trouble;
mod trust;
mod world;
