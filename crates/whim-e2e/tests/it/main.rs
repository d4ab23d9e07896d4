//! The whole of Whim: the real programs with real Postgres, Redis, git and Claude Code CLI, against the stand-ins.
#![expect(clippy::unwrap_used, reason = "a test ends with the panic")]

mod containers;
mod failures;
mod five_issues;
mod hostile;
mod killed;
mod locks;
mod outage;
mod world;
