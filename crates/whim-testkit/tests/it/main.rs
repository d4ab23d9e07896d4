//! Tests of the fakes and services of the testkit.

mod claude;
mod github;
mod messages;
mod orchestrator;
mod proxy;
mod services;
