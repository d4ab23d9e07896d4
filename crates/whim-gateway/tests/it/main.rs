//! The gateway, in this process or as a program, between real clients and the fakes of GitHub and the model API.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test whose world cannot be made, or is not as it must be, has failed"
)]

mod claude;
mod git;
mod git_refused;
mod github;
mod lookup;
mod metrics;
mod model;
mod program;
mod proxy;
mod world;
