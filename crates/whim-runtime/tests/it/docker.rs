//! The `docker` runtime with a real container engine. Run by `scripts/ci/docker.sh`, which builds the image.

mod garbage;
mod outages;
mod runs;
mod socket_proxy;
mod world;
