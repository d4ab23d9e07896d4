//! What tests may rely on when they stand on the testkit.

mod claude;
mod github;
mod messages;
mod orchestrator;
mod proxy;
mod services;
