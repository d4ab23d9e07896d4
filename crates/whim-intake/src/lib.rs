#![doc = include_str!("../README.md")]

mod access;
mod anthropic;
pub mod app;
mod check;
pub mod cli;
mod command;
mod comment;
pub mod config;
mod github;
mod labels;
mod next_action;
mod poll;
mod quarantine;
mod specs;
mod submission;
mod text;
mod trust;
mod visible_text;
