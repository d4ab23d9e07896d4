//! The HTTP API: responses and errors of each route.

mod approvals;
mod auth_coverage;
mod connections;
mod costs;
mod errors;
mod intake_access;
mod items;
mod learnings;
mod lists;
mod notes;
mod openapi;
mod preflights;
mod priorities;
mod requests;
pub(crate) mod reviews;
mod routes;
mod settings;
mod specs;
mod stats;
mod submission_batches;
mod submit;
mod tasks;
mod usage;
mod versions;
