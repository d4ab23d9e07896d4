//! The orchestrator with real Postgres and Redis.

mod api;
mod app;
mod auth_coverage;
mod claim;
mod config;
mod dispatch;
mod docker;
mod fencing;
mod insight;
mod items;
mod limits;
mod lists;
mod locks;
mod openapi;
mod pause;
mod program;
mod protocol;
mod reconcile;
mod reports;
mod runtime_process;
mod schema;
mod specs;
mod submit;
mod workers;
mod world;
