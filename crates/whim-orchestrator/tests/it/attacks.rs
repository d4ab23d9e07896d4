//! What must hold when somebody is hostile: a module for each group of rows of docs/attacks.md. Rows 22 to 24, 27 to 29,
//! 34, 36 and 37; what holds for every route is in `auth_coverage` too, and who may call as what in `api`.

mod audit;
mod crossings;
mod fetches;
mod inputs;
mod names;
mod start;
