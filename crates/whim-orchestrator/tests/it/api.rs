//! The HTTP API: what each route answers, and what it refuses.

mod auth_coverage;
mod connections;
mod errors;
mod items;
mod lists;
mod openapi;
mod requests;
pub(crate) mod reviews;
mod routes;
mod specs;
mod stats;
mod submit;
mod versions;
