//! The files that `ralph`, the agent and the caller exchange, relative to the workspace directory.

/// The checklist, unless the repository tracks a `SPEC.md` of its own.
pub const SPEC: &str = "SPEC.md";

/// The directory of the other files. Never committed.
pub const AI_DIR: &str = ".ai";

/// The checklist in a repository that tracks a `SPEC.md` of its own.
pub const SPEC_IN_AI: &str = ".ai/SPEC.md";

/// Written by the agent if it cannot continue: what is missing, as text.
pub const STUCK: &str = ".ai/stuck.md";

/// Written by the caller before the run: the learnings of earlier runs.
pub const LEARNINGS: &str = ".ai/learnings.md";

/// Written by the agent: its learnings, one `- Pattern: …`, `- Gotcha: …` or `- Approach: …` per line.
pub const NEW_LEARNINGS: &str = ".ai/new-learnings.md";
