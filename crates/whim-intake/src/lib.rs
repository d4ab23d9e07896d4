#![doc = include_str!("../README.md")]

mod anthropic;
pub mod app;
pub mod cli;
pub mod config;
mod github;
mod labels;
mod next_action;
mod poll;
mod quarantine;
mod reflect;
mod specs;
mod submission;
mod text;
