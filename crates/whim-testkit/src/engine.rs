//! The container engine and its command line, for tests with containers.

mod cli;
pub mod relay;

pub use self::cli::{
    EngineGarbage, WORKER_TEST_IMAGE, docker, docker_at, engine_host, network_of, try_docker_at,
};
