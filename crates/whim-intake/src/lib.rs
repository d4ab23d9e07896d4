//! GitHub, both ways: finds labelled issues, has specs written for them, submits them, reflects outcomes.
//!
//! It keeps no state of its own: the labels and marked comments of the issues and the items of the orchestrator are
//! its memory, so it can be killed between any two steps and carries on without doubling anything.

mod anthropic;
pub mod app;
pub mod cli;
pub mod config;
mod decide;
mod github;
mod labels;
mod poll;
mod reflect;
mod specs;
mod submit;
mod text;
