//! The real worker program against fakes of GitHub and the orchestrator, and a scripted `ralph`.

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
mod program;
mod rejection;
mod resume;
mod secrets;
mod stuck;
mod test_counts;
mod test_detection;
mod test_progress;
mod tests_failed;
mod transcript;
mod world;
