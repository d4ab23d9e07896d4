//! Real git repositories for tests, made with the real `git`.
//!
//! Every call runs with an environment of its own: no configuration of the user or the system, no hooks, no
//! prompts, a fixed author and a fixed date, so that the same steps give the same hashes on every machine.
//! No shell is involved, and names are never parsed as options.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

mod askpass;
#[cfg(test)]
mod tests;

pub use askpass::write_askpass;

/// The branch that new repositories start with.
pub const DEFAULT_BRANCH: &str = "main";

/// Author and committer of every commit that these helpers make.
const PERSON: (&str, &str) = ("Test Person", "person@example.test");

/// Date of every commit that these helpers make.
const DATE: &str = "2026-01-02T03:04:05Z";

/// Why a call of git failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program could not be started: git is not on the `PATH`, or the directory does not exist.
    #[error("could not start `git {arguments}`")]
    Start { arguments: String, source: io::Error },
    /// Git ran and refused.
    #[error("`git {arguments}` ended with {status}: {stderr}")]
    Refused {
        arguments: String,
        status: ExitStatus,
        stderr: String,
    },
    /// A file of the working tree could not be read or written.
    #[error("could not write {path}")]
    File { path: PathBuf, source: io::Error },
    /// Git printed something that these helpers do not understand.
    #[error("`git {arguments}` printed {output:?}")]
    Output { arguments: String, output: String },
}

/// A commit as `git log` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub hash: String,
    pub author: String,
    pub subject: String,
    pub body: String,
}

/// A repository on disk: a working tree with its `.git`, or a bare one.
#[derive(Clone, Debug)]
pub struct Repository {
    directory: PathBuf,
}

/// A `git` command in a directory; only `PATH` is inherited.
#[must_use]
pub fn command(directory: &Path) -> Command {
    let mut command = Command::new("git");
    isolate(&mut command);
    // Hooks and filesystem monitors are programs that a repository names: none of them runs here.
    command.args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]);
    command.args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"]);
    command.current_dir(directory).stdin(Stdio::null());
    command
}

/// Replaces a command's environment with one in which git behaves the same on every machine.
pub fn isolate(command: &mut Command) {
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.envs([
        // A home directory that cannot exist.
        ("HOME", "/dev/null"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("LC_ALL", "C"),
        ("TZ", "UTC"),
        ("GIT_AUTHOR_NAME", PERSON.0),
        ("GIT_AUTHOR_EMAIL", PERSON.1),
        ("GIT_AUTHOR_DATE", DATE),
        ("GIT_COMMITTER_NAME", PERSON.0),
        ("GIT_COMMITTER_EMAIL", PERSON.1),
        ("GIT_COMMITTER_DATE", DATE),
    ]);
}

impl Repository {
    /// Makes an empty repository with a working tree; the directory is created where it is missing.
    pub fn init(directory: impl Into<PathBuf>) -> Result<Self, GitError> {
        Self::make(directory.into(), &[])
    }

    /// Makes an empty bare repository; the directory is created where it is missing.
    pub fn init_bare(directory: impl Into<PathBuf>) -> Result<Self, GitError> {
        Self::make(directory.into(), &["--bare"])
    }

    /// Clones `source`, a URL or a path, into a directory that does not exist yet.
    pub fn clone_from(source: &str, directory: impl Into<PathBuf>) -> Result<Self, GitError> {
        let repository = Self {
            directory: directory.into(),
        };
        let arguments = ["clone", "--quiet", "--", source].map(OsStr::new);
        let target = repository.directory.as_os_str();
        capture(Path::new("."), arguments.into_iter().chain([target]))?;
        Ok(repository)
    }

    /// Opens an existing repository.
    pub fn open(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    fn make(directory: PathBuf, options: &[&str]) -> Result<Self, GitError> {
        fs::create_dir_all(&directory).map_err(|source| GitError::File {
            path: directory.clone(),
            source,
        })?;
        let repository = Self { directory };
        // Without a template there are no sample hooks.
        let init = [
            "init",
            "--quiet",
            "--template=",
            "--initial-branch",
            DEFAULT_BRANCH,
        ];
        repository.run(init.iter().chain(options))?;
        Ok(repository)
    }

    /// The directory of the repository.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A `git` command in this repository, for what the other functions do not cover.
    #[must_use]
    pub fn command(&self) -> Command {
        command(&self.directory)
    }

    /// Runs git with these arguments and returns its standard output without the last line end.
    pub fn run<Argument: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = Argument>,
    ) -> Result<String, GitError> {
        let output = capture(&self.directory, arguments)?;
        Ok(output.strip_suffix('\n').map(str::to_owned).unwrap_or(output))
    }

    /// Writes a file of the working tree, with the directories above it.
    pub fn write(&self, path: &str, contents: impl AsRef<[u8]>) -> Result<(), GitError> {
        let path = self.directory.join(path);
        let directories = path.parent().map_or(Ok(()), fs::create_dir_all);
        directories
            .and_then(|()| fs::write(&path, contents))
            .map_err(|source| GitError::File { path, source })
    }

    /// Commits all changes of the working tree, possibly none, and returns the hash.
    pub fn commit(&self, message: &str) -> Result<String, GitError> {
        self.run(["add", "--all"])?;
        self.run([
            "commit",
            "--quiet",
            "--allow-empty",
            "--no-verify",
            "--message",
            message,
        ])?;
        self.head()
    }

    /// Writes files and commits them; returns the hash.
    pub fn commit_files(&self, message: &str, files: &[(&str, &str)]) -> Result<String, GitError> {
        files
            .iter()
            .try_for_each(|(path, contents)| self.write(path, contents))?;
        self.commit(message)
    }

    /// Creates a branch at the current commit and switches to it.
    pub fn create_branch(&self, name: &str) -> Result<(), GitError> {
        self.run(["switch", "--quiet", &format!("--create={name}")])
            .map(drop)
    }

    /// Switches to a branch that exists.
    pub fn switch(&self, name: &str) -> Result<(), GitError> {
        self.run(["switch", "--quiet", "--no-guess", "--end-of-options", name])
            .map(drop)
    }

    /// Hash of the current commit.
    pub fn head(&self) -> Result<String, GitError> {
        self.run(["rev-parse", "--verify", "HEAD"])
    }

    /// Hash of a revision's commit; `None` if the revision does not exist.
    pub fn resolve(&self, revision: &str) -> Result<Option<String>, GitError> {
        let commit = format!("{revision}^{{commit}}");
        absent_when(
            1,
            self.run(["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]),
        )
    }

    /// Every branch with the hash of its newest commit.
    pub fn branches(&self) -> Result<BTreeMap<String, String>, GitError> {
        let arguments = [
            "for-each-ref",
            "--format=%(objectname) %(refname:lstrip=2)",
            "refs/heads/",
        ];
        let output = self.run(arguments)?;
        output
            .lines()
            .map(|line| match line.split_once(' ') {
                Some((hash, name)) => Ok((name.to_owned(), hash.to_owned())),
                None => Err(GitError::Output {
                    arguments: arguments.join(" "),
                    output: line.to_owned(),
                }),
            })
            .collect()
    }

    /// The commits that lead to a revision (or lie in a range such as `main..branch`), newest first.
    pub fn log(&self, revision: &str) -> Result<Vec<Commit>, GitError> {
        let arguments = [
            "log",
            "--format=%H%x00%an%x00%s%x00%b%x01",
            "--end-of-options",
            revision,
            "--",
        ];
        let output = self.run(arguments)?;
        output
            .split('\u{1}')
            .map(str::trim_start)
            .filter(|entry| !entry.is_empty())
            .map(|entry| match entry.splitn(4, '\0').collect::<Vec<_>>()[..] {
                [hash, author, subject, body] => Ok(Commit {
                    hash: hash.to_owned(),
                    author: author.to_owned(),
                    subject: subject.to_owned(),
                    body: body.trim_end().to_owned(),
                }),
                _ => Err(GitError::Output {
                    arguments: arguments.join(" "),
                    output: entry.to_owned(),
                }),
            })
            .collect()
    }

    /// The bytes of a file at a revision; `None` if it does not exist there.
    pub fn read(&self, revision: &str, path: &str) -> Result<Option<String>, GitError> {
        let object = format!("{revision}:{path}");
        let kind = absent_when(128, self.run(["cat-file", "-t", &object]))?;
        match kind.as_deref() {
            Some("blob") => capture(&self.directory, ["cat-file", "blob", &object]).map(Some),
            Some(_) | None => Ok(None),
        }
    }
}

fn capture<Argument: AsRef<OsStr>>(
    directory: &Path,
    arguments: impl IntoIterator<Item = Argument>,
) -> Result<String, GitError> {
    let arguments: Vec<OsString> = arguments.into_iter().map(|it| it.as_ref().to_owned()).collect();
    let shown = || arguments.join(OsStr::new(" ")).to_string_lossy().into_owned();
    let output = command(directory)
        .args(&arguments)
        .output()
        .map_err(|source| GitError::Start {
            arguments: shown(),
            source,
        })?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(stdout.into_owned());
    }
    // Some commands report errors on standard output (`merge-tree` lists the conflicts there).
    let stderr = format!("{}{stdout}", String::from_utf8_lossy(&output.stderr));
    Err(GitError::Refused {
        arguments: shown(),
        status: output.status,
        stderr: stderr.trim().to_owned(),
    })
}

/// Maps one exit code to `None`; every other failure stays an error.
pub(crate) fn absent_when(code: i32, result: Result<String, GitError>) -> Result<Option<String>, GitError> {
    match result {
        Ok(output) => Ok(Some(output)),
        Err(GitError::Refused { status, .. }) if status.code() == Some(code) => Ok(None),
        Err(error) => Err(error),
    }
}
