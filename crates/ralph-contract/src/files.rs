//! The files through which `ralph`, the agent and the caller speak, relative to the workspace directory.

/// The checklist, where the repository does not track a `SPEC.md` of its own.
pub const SPEC: &str = "SPEC.md";

/// The directory of everything else; never part of a commit.
pub const AI_DIR: &str = ".ai";

/// The checklist, where the repository tracks a `SPEC.md` of its own.
pub const SPEC_IN_AI: &str = ".ai/SPEC.md";

/// Written by the agent when it cannot go on: what is missing, in prose.
pub const STUCK: &str = ".ai/stuck.md";

/// Written by the caller before the run: what earlier runs learned.
pub const LEARNINGS: &str = ".ai/learnings.md";

/// Written by the agent: what it learned, one `- Pattern: …`, `- Gotcha: …` or `- Approach: …` a line.
pub const NEW_LEARNINGS: &str = ".ai/new-learnings.md";
