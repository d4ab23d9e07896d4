//! The orchestrator with workers in containers of a real container engine. Run by `scripts/ci/docker.sh`.

mod orchestrator;
mod own_engine;
mod starts;
