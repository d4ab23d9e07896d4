//! A container engine, as its own command line shows it, for tests of what runs in containers.

mod cli;
pub mod relay;

pub use self::cli::{
    EngineGarbage, WORKER_TEST_IMAGE, docker, docker_at, engine_host, network_of, try_docker_at,
};
