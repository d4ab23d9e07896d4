//! Hostile callers: a module for each group of rows of docs/attacks.md (22 to 24, 27 to 29, 34, 36 and 37).
//! Authentication of every route is tested in `api::auth_coverage`.

mod audit;
mod crossings;
mod fetches;
mod inputs;
mod names;
mod start;
