//! The real worker program against stand-ins: GitHub of the testkit, an orchestrator of this crate's own, and a
//! scripted `ralph`.

mod clock;
mod counts;
mod crash;
mod delivery;
mod descendants;
mod detect;
mod fenced;
mod github_errors;
mod happy;
mod hostile_repo;
mod locks;
mod long_line;
mod orchestrator;
mod orchestrator_unavailable;
mod partition;
mod program;
mod resume;
mod secrets;
mod stuck;
mod tests_failed;
mod world;
