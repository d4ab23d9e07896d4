//! All of Whim: the real programs with real Postgres, Redis, git and Claude Code CLI, against fakes of GitHub and the model
//! API.
#![expect(clippy::unwrap_used, reason = "a test ends with the panic")]

mod containers;
mod dashboard;
mod failures;
mod five_issues;
mod hostile;
mod killed;
mod learnings;
mod locks;
mod lost_work;
mod notes;
mod outage;
mod repair;
mod review;
mod samples;
mod transcript;
mod world;
