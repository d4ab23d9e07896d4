//! The `docker` runtime with a real container engine. Run by `scripts/ci/docker.sh`, which builds the image.

mod leftovers;
mod orchestrator;
mod outages;
mod own_engine;
mod passage;
mod runs;
mod socket_proxy;
mod starts;
mod world;
