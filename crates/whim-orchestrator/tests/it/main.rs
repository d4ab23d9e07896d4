//! Tests of the orchestrator with real Postgres and Redis, by area.

mod api;
mod app;
mod attacks;
mod dispatch;
mod document;
mod events;
mod faults;
mod history;
mod learnings;
mod lifecycle;
mod limits;
mod locks;
mod operations;
mod runtime;
mod watcher;
mod workers;
mod world;
