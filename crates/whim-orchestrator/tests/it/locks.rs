//! File locks and their conflicts.

mod conflicts;
mod requests;
