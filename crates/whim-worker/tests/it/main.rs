//! The real worker program against fakes of GitHub and the orchestrator, and a scripted `ralph`.

mod base_checks;
mod clock_jumps;
mod crash;
mod delivery;
mod descendants;
mod fenced;
mod github_errors;
mod happy_path;
mod hostile_repo;
mod locks;
mod long_line;
mod orchestrator_unavailable;
mod partition;
mod policy;
mod policy_file;
mod preflight;
mod program;
mod repair;
mod resume;
mod secrets;
mod stuck;
mod test_counts;
mod test_detection;
mod test_progress;
mod tests_failed;
mod world;
