//! Git on the worker's own side: no shell, a cleared environment, no hooks, and a token that only askpass hands out.
//!
//! Nothing in here may run in the workspace's repository once an agent was there: configuration of that repository can
//! name programs ([`crate::workspace`] says how commits come over instead).

mod askpass;
mod remote;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use whim_core::RepoName;
use whim_core::redact::Redactor;
use whim_service::process::{CommandSpec, Ending, Finished, RunError, run_bounded};

pub use self::remote::{RemoteError, RemoteProblem};
use crate::surroundings::Surroundings;
use crate::text::tail;

/// No answer that is read as a whole is larger.
const OUTPUT_LIMIT: usize = 4 * 1024 * 1024;
/// Local work on a large repository.
const LOCAL_TIME_LIMIT: Duration = Duration::from_mins(10);
/// The first clone of a large repository over a slow line.
const REMOTE_TIME_LIMIT: Duration = Duration::from_mins(30);
const MAX_WORDS: usize = 2000;

/// What GitHub expects as the user's name together with a token.
const TOKEN_USER: &str = "x-access-token";

/// Settings of every call, which win over those of any repository.
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
    // A connection that stalls is as good as none.
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
];

/// Flaws that old tools wrote into the history of honest repositories, and that harm nobody.
const HARMLESS_FLAWS: [&str; 6] = [
    "badTimezone",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "zeroPaddedFilemode",
];

/// Runs git for one repository of GitHub.
#[derive(Clone, Debug)]
pub struct Git {
    surroundings: Surroundings,
    home: PathBuf,
    askpass: PathBuf,
    url: Url,
    token: SecretString,
    redactor: Arc<Redactor>,
}

/// Where a call may fetch from or push to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// This machine; without the token.
    Local,
    /// GitHub.
    Remote,
}

/// A call of git on this machine failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It could not be run.
    #[error("running git {command}")]
    Run {
        /// The subcommand.
        command: String,
        /// Why.
        source: RunError,
    },
    /// It took too long and was ended.
    #[error("git {command} took longer than {} s", .limit.as_secs())]
    TimedOut {
        /// The subcommand.
        command: String,
        /// How long it was given.
        limit: Duration,
    },
    /// It failed.
    #[error("git {command} failed: {words}")]
    Failed {
        /// The subcommand.
        command: String,
        /// Its exit code.
        code: Option<i32>,
        /// What it said, without secrets.
        words: String,
    },
    /// It printed more than anything that is asked for here.
    #[error("git {command} printed more than {OUTPUT_LIMIT} bytes")]
    Output {
        /// The subcommand.
        command: String,
    },
}

impl Git {
    /// For the repository `repo` at `git_url`; keeps what it needs in `directory`, which the agent is not told about.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn new(
        surroundings: Surroundings,
        directory: &Path,
        git_url: &Url,
        repo: &RepoName,
        token: SecretString,
        redactor: Arc<Redactor>,
    ) -> io::Result<Self> {
        let home = directory.join("home");
        std::fs::create_dir_all(&home)?;
        Ok(Self {
            surroundings,
            home,
            askpass: askpass::write(directory)?,
            url: repository_url(git_url, repo),
            token,
            redactor,
        })
    }

    /// From where the repository is cloned; without credentials.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Runs git on this machine, and gives what it printed without the last line end.
    pub(crate) async fn local(
        &self,
        directory: &Path,
        arguments: &[&dyn AsRef<OsStr>],
    ) -> Result<String, GitError> {
        let finished = self
            .run(Reach::Local, directory, arguments, LOCAL_TIME_LIMIT)
            .await?;
        self.output(arguments, &finished)
    }

    /// Runs git on this machine for its exit code alone: 0 is yes, 1 is no.
    pub(crate) async fn answers_yes(
        &self,
        directory: &Path,
        arguments: &[&dyn AsRef<OsStr>],
    ) -> Result<bool, GitError> {
        match self.local(directory, arguments).await {
            Ok(_) => Ok(true),
            Err(GitError::Failed { code: Some(1), .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Runs git against GitHub. Arguments name the repository by [`Self::url`].
    pub(crate) async fn remote(
        &self,
        directory: &Path,
        arguments: &[&dyn AsRef<OsStr>],
    ) -> Result<String, RemoteError> {
        let finished = self
            .run(Reach::Remote, directory, arguments, REMOTE_TIME_LIMIT)
            .await?;
        Ok(self.output(arguments, &finished)?)
    }

    /// A command on this machine whose output is read as it comes.
    pub(crate) fn streaming(&self, directory: &Path, arguments: &[&dyn AsRef<OsStr>]) -> CommandSpec {
        self.command(Reach::Local, directory, arguments)
    }

    /// What git said, as far as a person needs it and without secrets.
    pub(crate) fn words(&self, text: &str) -> String {
        tail(self.redactor.redact(text).trim(), MAX_WORDS).to_owned()
    }

    async fn run(
        &self,
        reach: Reach,
        directory: &Path,
        arguments: &[&dyn AsRef<OsStr>],
        limit: Duration,
    ) -> Result<Finished, GitError> {
        let command = self.command(reach, directory, arguments);
        let finished = run_bounded(&command, limit, OUTPUT_LIMIT)
            .await
            .map_err(|source| GitError::Run {
                command: subcommand(arguments),
                source,
            })?;
        match finished.ending {
            Ending::Exited(_) => Ok(finished),
            Ending::TimedOut => Err(GitError::TimedOut {
                command: subcommand(arguments),
                limit,
            }),
        }
    }

    fn output(&self, arguments: &[&dyn AsRef<OsStr>], finished: &Finished) -> Result<String, GitError> {
        let stdout = finished.stdout.text();
        if let Ending::Exited(status) = finished.ending
            && !status.success()
        {
            // `push --porcelain` tells on standard output what was refused.
            let words = format!("{}\n{stdout}", finished.stderr.text());
            return Err(GitError::Failed {
                command: subcommand(arguments),
                code: status.code(),
                words: self.words(&words),
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
        for flaw in HARMLESS_FLAWS {
            command = command.arg("-c").arg(format!("fetch.fsck.{flaw}=ignore"));
        }
        let command = self
            .surroundings
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
            Reach::Remote => self.with_token(command),
        };
        command.args(arguments.iter().map(|argument| OsString::from(argument.as_ref())))
    }

    /// Askpass answers nobody but the server of the repository: a redirection elsewhere gets nothing.
    fn with_token(&self, command: CommandSpec) -> CommandSpec {
        command
            .arg("-c")
            .arg(format!("credential.username={TOKEN_USER}"))
            .arg("-c")
            .arg(format!("protocol.{}.allow=always", self.url.scheme()))
            .envs(self.surroundings.network())
            .env("GIT_ASKPASS", &self.askpass)
            .env(
                askpass::QUESTION_VARIABLE,
                askpass::question(&self.url, TOKEN_USER),
            )
            .env(askpass::ANSWER_VARIABLE, self.token.expose_secret())
    }
}

fn subcommand(arguments: &[&dyn AsRef<OsStr>]) -> String {
    let first = arguments
        .first()
        .map(|argument| argument.as_ref().to_string_lossy());
    first.unwrap_or_default().into_owned()
}

/// `{git_url}/{owner}/{name}.git`, whatever else the base holds dropped.
fn repository_url(git_url: &Url, repo: &RepoName) -> Url {
    let mut url = git_url.clone();
    let path = format!("{}/{repo}.git", git_url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    // A user in the base would be another credential than the token; HTTP URLs can always do without.
    let _without_user = (url.set_username(""), url.set_password(None));
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
