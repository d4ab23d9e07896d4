//! Whether processes of this container were killed because memory ran out.
//!
//! The kernel kills one process of a container, mostly the biggest: a test run, a compiler, the agent. The worker lives
//! on and sees a failure like any other. Only the container's own counters tell why (docs/faults.md, row 11).

use std::path::{Path, PathBuf};

/// Where a container finds its own group, in both versions.
const GROUPS: &str = "/sys/fs/cgroup";
/// Where nothing limits it, the first version says so with a number next to the greatest.
const UNLIMITED: u64 = 1 << 60;

/// The container's memory. Where it is not limited this is no container of ours, and the counters may be everybody's.
#[derive(Clone, Debug)]
pub struct Memory {
    groups: PathBuf,
}

impl Memory {
    /// Of the container that this program runs in.
    pub fn of_this_container() -> Self {
        Self::at(GROUPS)
    }

    fn at(groups: impl Into<PathBuf>) -> Self {
        Self {
            groups: groups.into(),
        }
    }

    /// How many processes were killed for want of memory since the container was started.
    pub fn kills(&self) -> u64 {
        self.second_version()
            .or_else(|| self.first_version())
            .unwrap_or_default()
    }

    fn second_version(&self) -> Option<u64> {
        read(&self.groups.join("memory.max"))?
            .trim()
            .parse::<u64>()
            .ok()?;
        counter(&read(&self.groups.join("memory.events"))?)
    }

    fn first_version(&self) -> Option<u64> {
        let group = self.groups.join("memory");
        let limit: u64 = read(&group.join("memory.limit_in_bytes"))?.trim().parse().ok()?;
        if limit >= UNLIMITED {
            return None;
        }
        counter(&read(&group.join("memory.oom_control"))?)
    }
}

fn read(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

fn counter(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

/// How a person is told; the setting is what can be done about it.
pub(crate) fn told(kills: u64) -> String {
    let processes = if kills == 1 {
        "a process was"
    } else {
        "processes were"
    };
    format!("{processes} killed because the container's memory ran out (WORKER_MEMORY)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(files: &[(&str, &str)]) -> (tempfile::TempDir, Memory) {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let file = directory.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        }
        let memory = Memory::at(directory.path());
        (directory, memory)
    }

    #[test]
    fn kills_are_counted_in_both_versions() {
        let events = "low 0\nhigh 0\nmax 31\noom 2\noom_kill 2\noom_group_kill 0\n";
        let (_directory, second) = memory(&[("memory.max", "4294967296\n"), ("memory.events", events)]);
        assert_eq!(second.kills(), 2);

        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        let limit = ("memory/memory.limit_in_bytes", "4294967296\n");
        let (_directory, first) = memory(&[limit, ("memory/memory.oom_control", control)]);
        assert_eq!(first.kills(), 3);
    }

    #[test]
    fn what_is_not_limited_is_no_container_of_ours() {
        let (_directory, second) = memory(&[("memory.max", "max\n"), ("memory.events", "oom_kill 2\n")]);
        let limit = ("memory/memory.limit_in_bytes", "9223372036854771712\n");
        let (_other_directory, first) = memory(&[limit, ("memory/memory.oom_control", "oom_kill 3\n")]);
        let (_empty_directory, none) = memory(&[]);
        assert_eq!((second.kills(), first.kills(), none.kills()), (0, 0, 0));
    }
}
