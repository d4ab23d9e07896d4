//! The worker's own git: no shell, a cleared environment, no hooks, and a token that is only available through askpass.
//!
//! Must not run in the workspace's repository once the agent has run there, because the configuration of a repository can
//! name programs. See [`crate::workspace`] for how commits are imported instead.

mod askpass;
mod error;
mod remote;
mod remote_kind;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use whim_core::RepoName;
use whim_core::redact::Redactor;
use whim_service::process::{CommandSpec, Ending, Finished, run_bounded};

pub use self::error::GitError;
use self::error::OUTPUT_LIMIT;
pub use self::remote::RemoteError;
pub use self::remote_kind::RemoteErrorKind;
use crate::child_env::ChildEnvironment;
use crate::text::tail;

/// For local commands on a large repository.
const LOCAL_TIMEOUT: Duration = Duration::from_mins(10);
/// GitHub's explanation of a refused push has up to some thousand characters.
const MAX_MESSAGE_CHARACTERS: usize = 4000;

/// The user name that GitHub expects with a token.
const TOKEN_USER: &str = "x-access-token";

/// Settings of every command, which override those of the repository.
const SETTINGS: [&str; 12] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "credential.helper=",
    "protocol.allow=never",
    "submodule.recurse=false",
    "transfer.fsckObjects=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    // Abort stalled connections.
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
];

/// Harmless flaws that old tools wrote into the history of repositories. What could harm stays refused: names such as `.git`
/// and `..`, submodules that name a program, a link in place of `.gitmodules`.
const IGNORED_FSCK_ERRORS: [&str; 15] = [
    "badDate",
    "badDateOverflow",
    "badEmail",
    "badFilemode",
    "badName",
    "badTagName",
    "badTimezone",
    "missingAuthor",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingTaggerEntry",
    "multipleAuthors",
    "zeroPaddedDate",
];
/// Flaws of directories. Those of GitHub are accepted, because everyone can clone them; git creates none today, so that an agent's
/// are refused.
const FSCK_ERRORS_IGNORED_FROM_GITHUB: [&str; 4] = [
    "duplicateEntries",
    "nullSha1",
    "treeNotSorted",
    "zeroPaddedFilemode",
];

/// Runs git for one repository of GitHub.
#[derive(Clone, Debug)]
pub struct Git {
    child_env: ChildEnvironment,
    home: PathBuf,
    askpass: PathBuf,
    url: Url,
    token: SecretString,
    /// For commands that access GitHub.
    timeout: Duration,
    redactor: Arc<Redactor>,
}

/// What a command may access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Only this machine, without the token.
    Local,
    /// GitHub, with the token.
    Remote,
}

impl Git {
    /// For the repository `repo` at `git_url`. Writes its files to `directory`, which must not be accessible to others.
    ///
    /// # Errors
    /// `directory` cannot be written.
    pub fn new(
        child_env: ChildEnvironment,
        directory: &Path,
        git_url: &Url,
        repo: &RepoName,
        token: SecretString,
        timeout: Duration,
        redactor: Arc<Redactor>,
    ) -> io::Result<Self> {
        let home = directory.join("home");
        std::fs::create_dir_all(&home)?;
        Ok(Self {
            child_env,
            home,
            askpass: askpass::write(directory)?,
            url: repository_url(git_url, repo),
            token,
            timeout,
            redactor,
        })
    }

    /// The URL of the repository, without credentials.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Runs a local command. Returns its standard output without the last newline.
    pub(crate) async fn local(
        &self,
        directory: &Path,
        arguments: &[&dyn AsRef<OsStr>],
    ) -> Result<String, GitError> {
        let finished = self
            .run(Reach::Local, directory, arguments, LOCAL_TIMEOUT)
            .await?;
        self.output(arguments, &finished)
    }

    /// Runs a local command on files that the repository does not contain. No configuration or attribute of `work_tree` names
    /// a program, because those of `git_dir` apply.
    pub(crate) async fn in_work_tree(
        &self,
        git_dir: &Path,
        work_tree: &Path,
        arguments: &[&dyn AsRef<OsStr>],
    ) -> Result<String, GitError> {
        let command = self
            .command(Reach::Local, work_tree, arguments)
            .env("GIT_DIR", git_dir)
            .env("GIT_WORK_TREE", work_tree);
        let finished = Self::finish(&command, arguments, LOCAL_TIMEOUT).await?;
        self.output(arguments, &finished)
    }

    /// Runs a local command that creates a commit. `identity`: the variables of its author and committer.
    pub(crate) async fn commit(
        &self,
        directory: &Path,
        identity: [(&'static str, &str); 4],
        arguments: &[&dyn AsRef<OsStr>],
    ) -> Result<String, GitError> {
        let command = self.command(Reach::Local, directory, arguments).envs(identity);
        let finished = Self::finish(&command, arguments, LOCAL_TIMEOUT).await?;
        self.output(arguments, &finished)
    }

    /// Runs a local command whose exit code is the result: 0 is true, 1 is false.
    pub(crate) async fn succeeds(
        &self,
        directory: &Path,
        arguments: &[&dyn AsRef<OsStr>],
    ) -> Result<bool, GitError> {
        match self.local(directory, arguments).await {
            Ok(_) => Ok(true),
            Err(GitError::Failed {
                exit_code: Some(1), ..
            }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Runs a local command whose exit code is a part of the result: 0 is true, 1 is false. Returns its standard output in both
    /// cases.
    pub(crate) async fn answer(
        &self,
        directory: &Path,
        arguments: &[&dyn AsRef<OsStr>],
    ) -> Result<(bool, String), GitError> {
        let finished = self
            .run(Reach::Local, directory, arguments, LOCAL_TIMEOUT)
            .await?;
        let Ending::Exited(status) = finished.ending else {
            return Ok((true, self.output(arguments, &finished)?));
        };
        if status.code() == Some(1) && finished.stdout.dropped() == 0 {
            Ok((false, finished.stdout.text()))
        } else {
            Ok((true, self.output(arguments, &finished)?))
        }
    }

    /// Runs a command with access to GitHub. Its arguments refer to the repository by [`Self::url`].
    pub(crate) async fn remote(
        &self,
        directory: &Path,
        arguments: &[&dyn AsRef<OsStr>],
    ) -> Result<String, RemoteError> {
        let finished = self
            .run(Reach::Remote, directory, arguments, self.timeout)
            .await?;
        Ok(self.output(arguments, &finished)?)
    }

    /// A local command whose output is streamed.
    pub(crate) fn streaming(&self, directory: &Path, arguments: &[&dyn AsRef<OsStr>]) -> CommandSpec {
        self.command(Reach::Local, directory, arguments)
    }

    /// Masks secrets in git's output and truncates it.
    pub(crate) fn sanitize(&self, text: &str) -> String {
        tail(self.redactor.redact(text).trim(), MAX_MESSAGE_CHARACTERS).to_owned()
    }

    async fn run(
        &self,
        reach: Reach,
        directory: &Path,
        arguments: &[&dyn AsRef<OsStr>],
        timeout: Duration,
    ) -> Result<Finished, GitError> {
        let command = self.command(reach, directory, arguments);
        Self::finish(&command, arguments, timeout).await
    }

    async fn finish(
        command: &CommandSpec,
        arguments: &[&dyn AsRef<OsStr>],
        timeout: Duration,
    ) -> Result<Finished, GitError> {
        let finished = run_bounded(command, timeout, OUTPUT_LIMIT)
            .await
            .map_err(|source| GitError::Run {
                command: subcommand(arguments),
                source,
            })?;
        match finished.ending {
            Ending::Exited(_) => Ok(finished),
            Ending::TimedOut => Err(GitError::TimedOut {
                command: subcommand(arguments),
                timeout,
            }),
        }
    }

    fn output(&self, arguments: &[&dyn AsRef<OsStr>], finished: &Finished) -> Result<String, GitError> {
        let stdout = finished.stdout.text();
        if let Ending::Exited(status) = finished.ending
            && !status.success()
        {
            // `push --porcelain` prints refused refs to standard output.
            let output = format!("{}\n{stdout}", finished.stderr.text());
            return Err(GitError::Failed {
                command: subcommand(arguments),
                exit_code: status.code(),
                message: self.sanitize(&output),
            });
        }
        if finished.stdout.dropped() > 0 {
            return Err(GitError::Output {
                command: subcommand(arguments),
            });
        }
        Ok(stdout.strip_suffix('\n').map(str::to_owned).unwrap_or(stdout))
    }

    fn command(&self, reach: Reach, directory: &Path, arguments: &[&dyn AsRef<OsStr>]) -> CommandSpec {
        let mut command = CommandSpec::new("git").arg("--no-pager");
        for setting in SETTINGS {
            command = command.args(["-c", setting]);
        }
        for error in IGNORED_FSCK_ERRORS {
            command = command.arg("-c").arg(format!("fetch.fsck.{error}=ignore"));
        }
        let command = self
            .child_env
            .apply_to_trusted(command)
            .env("HOME", &self.home)
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .directory(directory);
        let command = match reach {
            Reach::Local => command.args(["-c", "protocol.file.allow=always"]),
            Reach::Remote => FSCK_ERRORS_IGNORED_FROM_GITHUB
                .iter()
                .fold(self.with_token(command), |command, error| {
                    command.arg("-c").arg(format!("fetch.fsck.{error}=ignore"))
                }),
        };
        command.args(arguments.iter().map(|argument| OsString::from(argument.as_ref())))
    }

    /// Askpass only answers for the repository's server, so a redirect to another server does not receive the token.
    fn with_token(&self, command: CommandSpec) -> CommandSpec {
        command
            .arg("-c")
            .arg(format!("credential.username={TOKEN_USER}"))
            .arg("-c")
            .arg(format!("protocol.{}.allow=always", self.url.scheme()))
            .envs(self.child_env.network())
            .env("GIT_ASKPASS", &self.askpass)
            .env(askpass::PROMPT_VARIABLE, askpass::prompt(&self.url, TOKEN_USER))
            .env(askpass::ANSWER_VARIABLE, self.token.expose_secret())
    }
}

fn subcommand(arguments: &[&dyn AsRef<OsStr>]) -> String {
    let first = arguments
        .first()
        .map(|argument| argument.as_ref().to_string_lossy());
    first.unwrap_or_default().into_owned()
}

/// `{git_url}/{owner}/{name}.git`, without the query, fragment and credentials of the base URL.
fn repository_url(git_url: &Url, repo: &RepoName) -> Url {
    let mut url = git_url.clone();
    let path = format!("{}/{repo}.git", git_url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    // Fails only for URLs without a host, which `http_url` does not accept.
    url.set_username("").ok();
    url.set_password(None).ok();
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_below_the_base_url_without_credentials() {
        let repo = RepoName::parse("octocat/hello-world").unwrap();
        for (base, url) in [
            ("https://github.com", "https://github.com/octocat/hello-world.git"),
            (
                "https://user:pw@git.example/x/?a=b",
                "https://git.example/x/octocat/hello-world.git",
            ),
            (
                "http://127.0.0.1:8080/",
                "http://127.0.0.1:8080/octocat/hello-world.git",
            ),
        ] {
            assert_eq!(repository_url(&Url::parse(base).unwrap(), &repo).as_str(), url);
        }
    }
}
