#![doc = include_str!("../README.md")]

pub mod cli;
mod embed;
mod endpoint;
mod files;
mod model;
mod serve;
mod weights;
