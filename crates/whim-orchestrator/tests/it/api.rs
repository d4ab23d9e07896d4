//! The HTTP API: responses and errors of each route.

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
mod submission_batches;
mod submit;
mod versions;
