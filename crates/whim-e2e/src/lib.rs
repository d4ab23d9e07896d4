//! The whole of Whim on one machine: the real programs, with real databases, git and Claude Code CLI, against
//! stand-ins for GitHub and the model API. The demo and the end-to-end tests are built on it.

pub mod chaos;
pub mod demo;
pub mod programs;
pub mod sample;
pub mod stand_ins;
pub mod system;
