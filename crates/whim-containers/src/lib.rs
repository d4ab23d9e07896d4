//! How a worker's container, its volume and its network have to be.
//!
//! The orchestrator makes them, and the socket proxy between it and the container engine lets through nothing else: both
//! read the same settings and go by the same pure functions.

mod settings;
mod worker;

pub use settings::{Bytes, Cpus, DockerConfig, EngineHost, RepositoryImages};
pub use worker::{
    INSTANCE_LABEL, Labelled, USER_ID, Worker, container, firewall_of, labelled, name, network, of_instance,
    of_worker, volume, worker_of,
};
