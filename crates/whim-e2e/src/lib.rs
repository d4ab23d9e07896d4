//! All of Whim on one machine: the real programs with real databases, git and Claude Code CLI, against fakes of GitHub and
//! the model API. Used by the demo, the end-to-end tests and the chaos test.

pub mod chaos;
pub mod demo;
pub mod programs;
pub mod sample;
pub mod stand_ins;
pub mod system;
