//! Limits of this container that its processes ran into: memory, and the number of processes.
//!
//! The kernel kills one process of a container that is out of memory, usually the largest, and lets `fork` fail in one
//! that has too many processes. The worker survives and sees a failure like any other; only the counters of the
//! container's control group show the reason (`docs/faults.md`, row 11).

use std::path::{Path, PathBuf};

/// Where a container finds its own control group, in versions 1 and 2.
const GROUPS: &str = "/sys/fs/cgroup";
/// Without a limit, version 1 shows a number close to the largest.
const UNLIMITED: u64 = 1 << 60;

/// The control group of this container. Without a limit, its counters are ignored: they may be those of the machine.
#[derive(Clone, Debug)]
pub struct ControlGroup {
    groups: PathBuf,
}

/// How often processes ran into a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitHits {
    /// Processes killed because the container was out of memory.
    pub oom_kills: u64,
    /// Processes and threads that could not be created.
    pub failed_forks: u64,
    /// The limit that `failed_forks` is about.
    pub max_processes: u64,
}

impl LimitHits {
    /// The hits since an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            oom_kills: self.oom_kills.saturating_sub(earlier.oom_kills),
            failed_forks: self.failed_forks.saturating_sub(earlier.failed_forks),
            max_processes: self.max_processes,
        }
    }

    /// A sentence that names the limit and its setting; `None` if there was no hit.
    pub fn describe(self) -> Option<String> {
        let Self {
            oom_kills,
            failed_forks,
            max_processes,
        } = self;
        if oom_kills > 0 {
            let processes = if oom_kills == 1 {
                "a process was"
            } else {
                "processes were"
            };
            return Some(format!(
                "{processes} killed because the container's memory ran out (WORKER_MEMORY)"
            ));
        }
        (failed_forks > 0).then(|| {
            format!(
                "processes could not be created because the container's limit of {max_processes} processes and threads \
                 was reached (WORKER_PIDS)"
            )
        })
    }
}

impl ControlGroup {
    /// The control group of the container that this program runs in.
    pub fn of_this_container() -> Self {
        Self::at(GROUPS)
    }

    fn at(groups: impl Into<PathBuf>) -> Self {
        Self {
            groups: groups.into(),
        }
    }

    /// The hits since the container was started.
    pub fn limit_hits(&self) -> LimitHits {
        let (failed_forks, max_processes) = self
            .failed_forks("")
            .or_else(|| self.failed_forks("pids"))
            .unwrap_or_default();
        LimitHits {
            oom_kills: self
                .oom_kills()
                .or_else(|| self.oom_kills_v1())
                .unwrap_or_default(),
            failed_forks,
            max_processes,
        }
    }

    fn oom_kills(&self) -> Option<u64> {
        limit(&self.groups.join("memory.max"))?;
        counter(&self.groups.join("memory.events"), "oom_kill")
    }

    fn oom_kills_v1(&self) -> Option<u64> {
        let group = self.groups.join("memory");
        limit(&group.join("memory.limit_in_bytes"))?;
        counter(&group.join("memory.oom_control"), "oom_kill")
    }

    /// The failed forks and the limit. Both versions have the same files, version 1 in a directory of its own.
    fn failed_forks(&self, directory: &str) -> Option<(u64, u64)> {
        let group = self.groups.join(directory);
        let limit = limit(&group.join("pids.max"))?;
        Some((counter(&group.join("pids.events"), "max")?, limit))
    }
}

/// `None` without a limit.
fn limit(file: &Path) -> Option<u64> {
    let limit: u64 = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (limit < UNLIMITED).then_some(limit)
}

fn counter(file: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(files: &[(&str, &str)]) -> LimitHits {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let file = directory.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        }
        ControlGroup::at(directory.path()).limit_hits()
    }

    #[test]
    fn kills_are_counted_in_both_versions() {
        let events = "low 0\nhigh 0\nmax 31\noom 2\noom_kill 2\noom_group_kill 0\n";
        let second = hits(&[("memory.max", "4294967296\n"), ("memory.events", events)]);
        assert_eq!(second.oom_kills, 2);

        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        let limit = ("memory/memory.limit_in_bytes", "4294967296\n");
        let first = hits(&[limit, ("memory/memory.oom_control", control)]);
        assert_eq!(first.oom_kills, 3);
    }

    #[test]
    fn failed_forks_are_counted_in_both_versions() {
        let second = hits(&[("pids.max", "256\n"), ("pids.events", "max 7\n")]);
        assert_eq!((second.failed_forks, second.max_processes), (7, 256));

        let first = hits(&[("pids/pids.max", "64\n"), ("pids/pids.events", "max 1\n")]);
        assert_eq!((first.failed_forks, first.max_processes), (1, 64));
    }

    #[test]
    fn counters_without_a_limit_are_ignored() {
        let second = hits(&[
            ("memory.max", "max\n"),
            ("memory.events", "oom_kill 2\n"),
            ("pids.max", "max\n"),
            ("pids.events", "max 2\n"),
        ]);
        let first = hits(&[
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/memory.oom_control", "oom_kill 3\n"),
        ]);
        for found in [second, first, hits(&[])] {
            assert_eq!(found, LimitHits::default());
        }
    }

    #[test]
    fn a_description_names_the_limit_and_the_setting() {
        let earlier = LimitHits {
            oom_kills: 1,
            failed_forks: 2,
            max_processes: 2048,
        };
        let forks = LimitHits {
            failed_forks: 5,
            ..earlier
        };
        let kills = LimitHits {
            oom_kills: 3,
            ..forks
        };

        assert_eq!(earlier.since(earlier).describe(), None);
        let forks = forks.since(earlier).describe().unwrap();
        assert!(
            forks.contains("limit of 2048 processes") && forks.contains("WORKER_PIDS"),
            "{forks}"
        );
        let kills = kills.since(earlier).describe().unwrap();
        assert!(
            kills.contains("processes were killed") && kills.contains("WORKER_MEMORY"),
            "{kills}"
        );
    }
}
