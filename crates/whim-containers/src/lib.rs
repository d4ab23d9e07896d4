//! The specification of a worker's container, volume and network, as pure functions of settings and worker.
//!
//! The `docker` runtime creates what these functions return. The socket proxy in front of the container engine computes
//! the same and forwards nothing else.

mod settings;
mod worker;

pub use settings::{Bytes, Cpus, DockerConfig, EngineHost, RepositoryImages, bytes};
pub use worker::{
    INSTANCE_LABEL, Labels, USER_ID, Worker, container, firewall_filter, instance_filter, name, network,
    volume, worker_filter, worker_of,
};
