//! The submitted work items, and the scripted `ralph`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;
use whim_core::protocol::work::CreateWork;

pub(super) const REPOSITORY: &str = "acme/chaos";

/// The tests fail if there is a file `red`.
pub(super) const FILES: [(&str, &str); 2] = [
    ("README.md", "# Chaos\n"),
    ("Makefile", "test:\n\t@test ! -e red\n"),
];

/// How the scripted `ralph` behaves for a work item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FakeBehavior {
    Succeeds,
    Slow,
    /// Crashes once after its first commit.
    CrashesOnce,
    /// Always reports that it is stuck.
    Stuck,
    /// Always breaks the tests.
    BreaksTests,
}

impl FakeBehavior {
    fn as_str(self) -> &'static str {
        match self {
            Self::Succeeds => "calm",
            Self::Slow => "slow",
            Self::CrashesOnce => "crashes once",
            Self::Stuck => "stuck",
            Self::BreaksTests => "red",
        }
    }

    /// Whether the work item can complete.
    pub(super) fn can_complete(self) -> bool {
        match self {
            Self::Succeeds | Self::Slow | Self::CrashesOnce => true,
            Self::Stuck | Self::BreaksTests => false,
        }
    }
}

/// The number is the source reference, so that repeated submissions are idempotent.
pub(super) fn item(number: usize, behavior: FakeBehavior) -> anyhow::Result<CreateWork> {
    let spec = format!(
        "# Item {number}\n\nThe agent is {}.\n\n## Tasks\n\n- [ ] Write the first file\n- [ ] Write the second file\n",
        behavior.as_str()
    );
    let item =
        json!({ "repo": REPOSITORY, "source": "github", "sourceRef": number.to_string(), "spec": spec });
    serde_json::from_value(item).context("building a work item")
}

/// Does the open tasks with a commit each, as the behavior in the checklist says.
const RALPH: &str = r#"#!/bin/sh
set -eu
spec=SPEC.md
while [ $# -gt 0 ]; do [ "$1" = --spec ] && spec=$2; shift; done
emit() { printf '%s\n' "$1"; }
is() { grep -q "^The agent is $1\.$" "$spec"; }
emit '{"event":"started","spec":"'"$spec"'","tasks":2,"timestamp":"2026-01-02T03:04:05Z"}'
n=0
for task in first second; do
  grep -q "^- \[ \] Write the $task file" "$spec" || continue
  n=$((n + 1))
  emit '{"event":"iteration","n":'"$n"',"phase":"starting"}'
  if is slow; then sleep 2; else sleep 0.2; fi
  emit '{"event":"tool","type":"write","path":"'"$task"'.txt"}'
  crashes=no
  if is 'crashes once' && [ ! -e first.txt ]; then crashes=yes; fi
  echo "$task" > "$task.txt"
  if is red; then echo red > red; git add red; fi
  git add "$task.txt"
  git diff --cached --quiet || git commit --quiet --message "Write the $task file"
  emit '{"event":"commit","hash":"'"$(git rev-parse HEAD)"'","message":"Write the '"$task"' file"}'
  if [ $crashes = yes ]; then sleep 0.5; kill -9 $$; fi
  sed -i "s/^- \[ \] Write the $task file/- [x] Write the $task file/" "$spec"
  emit '{"event":"task_complete","index":0,"text":"Write the '"$task"' file"}'
  emit '{"event":"iteration_done","n":'"$n"',"duration_ms":5,"stats":{"tools":1,"reads":0,"writes":1,"commands":0,"tokens":{"in":10,"out":20,"cache_read":0,"cache_write":0},"cost_usd":0.5}}'
  if is stuck; then
    emit '{"event":"stuck","reason":"no progress","iterations_without_progress":3}'
    exit 1
  fi
done
emit '{"event":"complete","tasks_done":2,"total_duration_ms":10}'
"#;

/// Writes the scripted `ralph`, executable by every user.
pub(super) fn write_ralph(directory: &Path) -> anyhow::Result<PathBuf> {
    let path = directory.join("ralph");
    fs::write(&path, RALPH).context("writing the scripted ralph")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
        .context("making the scripted ralph executable")?;
    Ok(path)
}
