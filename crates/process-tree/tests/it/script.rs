//! Shell scripts whose processes a test follows.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use process_tree::{Deadlines, Marker, Orphans, ProcessIdentity, Tree};

pub(crate) const SHORT: Deadlines = Deadlines {
    interrupt: Duration::from_millis(200),
    terminate: Duration::from_millis(200),
    kill: Duration::from_secs(10),
};

/// A running script and its output.
pub(crate) struct Script {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
}

impl Script {
    pub(crate) fn start(script: &str) -> Self {
        Self::of(spawn(script, &Marker::unique()))
    }

    pub(crate) fn start_in_tree(script: &str, marker: Marker, orphans: Orphans) -> (Self, Tree) {
        let spawn = || {
            let child = spawn(script, &marker);
            let pid = child.id();
            Ok((child, pid))
        };
        let (child, tree) = Tree::start(marker.clone(), orphans, spawn).unwrap();
        (Self::of(child), tree)
    }

    fn of(mut child: Child) -> Self {
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    pub(crate) fn identity(&self) -> ProcessIdentity {
        ProcessIdentity::of(self.child.id()).unwrap().unwrap()
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The process whose pid the script prints next.
    pub(crate) fn printed_process(&mut self) -> ProcessIdentity {
        let pid = self.line().parse().unwrap();
        ProcessIdentity::of(pid).unwrap().unwrap()
    }
}

fn spawn(script: &str, marker: &Marker) -> Child {
    Command::new("sh")
        .args(["-c", script])
        .env(&marker.name, &marker.value)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap()
}
