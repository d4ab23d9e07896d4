//! The worker's secrets: read once from files that are removed before any other process runs.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use secrecy::{ExposeSecret as _, SecretString};
use whim_core::WorkerToken;
use whim_core::redact::Redactor;

const MAX_BYTES: u64 = 64 * 1024;

const WORKER_TOKEN: &str = "worker-token";
const GITHUB_TOKEN: &str = "github-token";
const ANTHROPIC_API_KEY: &str = "anthropic-api-key";
const CLAUDE_CODE_OAUTH_TOKEN: &str = "claude-code-oauth-token";
const GATEWAY_TOKEN: &str = "gateway-token";

#[derive(Debug)]
pub struct Credentials {
    /// Authenticates at the orchestrator.
    pub worker_token: WorkerToken,
    /// Authenticates at GitHub, or at the gateway in front of it: git and the REST API.
    pub github_token: SecretString,
    /// Authenticates at the model API. The only secret that the agent receives.
    pub model: Option<ModelCredential>,
}

/// Authenticates the agent at the model API.
#[derive(Debug)]
pub enum ModelCredential {
    /// A key of the Anthropic API.
    ApiKey(SecretString),
    /// A token of a Claude Max plan.
    OauthToken(SecretString),
    /// The agent's token for the gateway, which puts in the credential.
    GatewayToken(SecretString),
}

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("reading the secret {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file cannot be removed, so that the agent could read it.
    #[error("removing the secret {} after it was read", .path.display())]
    Remove { path: PathBuf, source: io::Error },
    #[error("{} must contain one line without control characters, of at most {MAX_BYTES} bytes", .path.display())]
    Content { path: PathBuf },
    #[error("the secret {} is missing", .path.display())]
    Missing { path: PathBuf },
}

impl Credentials {
    /// Reads and removes the files of `directory`. All of them are removed even if one is invalid.
    ///
    /// # Errors
    /// A file is missing or invalid, or cannot be removed.
    pub fn take(directory: &Path) -> Result<Self, CredentialsError> {
        let [worker_token, github_token, api_key, oauth_token, gateway_token] = [
            WORKER_TOKEN,
            GITHUB_TOKEN,
            ANTHROPIC_API_KEY,
            CLAUDE_CODE_OAUTH_TOKEN,
            GATEWAY_TOKEN,
        ]
        .map(|name| take(&directory.join(name)));
        // A mount point cannot be removed, and an empty directory reveals nothing.
        if let Err(error) = fs::remove_dir(directory) {
            tracing::debug!(%error, directory = %directory.display(), "the empty directory of the secrets was not removed");
        }
        let required = |name: &str, secret: Option<SecretString>| {
            secret.ok_or_else(|| CredentialsError::Missing {
                path: directory.join(name),
            })
        };
        let api_key = api_key?.map(ModelCredential::ApiKey);
        let oauth_token = oauth_token?.map(ModelCredential::OauthToken);
        let gateway_token = gateway_token?.map(ModelCredential::GatewayToken);
        let worker_token = required(WORKER_TOKEN, worker_token?)?;
        Ok(Self {
            worker_token: WorkerToken::presented(worker_token.expose_secret()),
            github_token: required(GITHUB_TOKEN, github_token?)?,
            model: gateway_token.or(oauth_token).or(api_key),
        })
    }

    /// Masks all secrets, these and `more`, in texts that leave the worker.
    pub fn redactor(&self, more: impl IntoIterator<Item = String>) -> Redactor {
        let model = self
            .model
            .as_ref()
            .map(|model| model.secret().expose_secret().to_owned());
        let others = [
            self.worker_token.reveal().to_owned(),
            self.github_token.expose_secret().to_owned(),
        ];
        Redactor::new(others.into_iter().chain(model).chain(more))
    }
}

impl ModelCredential {
    /// The environment variable that Claude Code reads.
    pub fn variable(&self) -> &'static str {
        match self {
            Self::ApiKey(_) => "ANTHROPIC_API_KEY",
            Self::OauthToken(_) => "CLAUDE_CODE_OAUTH_TOKEN",
            Self::GatewayToken(_) => "ANTHROPIC_AUTH_TOKEN",
        }
    }

    pub fn secret(&self) -> &SecretString {
        match self {
            Self::ApiKey(secret) | Self::OauthToken(secret) | Self::GatewayToken(secret) => secret,
        }
    }
}

fn take(path: &Path) -> Result<Option<SecretString>, CredentialsError> {
    let content = read(path);
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(CredentialsError::Remove {
                path: path.to_owned(),
                source,
            });
        }
        Ok(()) | Err(_) => {}
    }
    let content = match content {
        Ok(content) => content,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(CredentialsError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    let secret = content.trim();
    if secret.is_empty() || secret.chars().any(char::is_control) || content.len() as u64 > MAX_BYTES {
        return Err(CredentialsError::Content {
            path: path.to_owned(),
        });
    }
    Ok(Some(SecretString::from(secret)))
}

fn read(path: &Path) -> io::Result<String> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let mut content = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_removed_once_read() {
        let directory = tempfile::tempdir().unwrap();
        for (name, secret) in [
            (WORKER_TOKEN, "wt-0123456789\n"),
            (GITHUB_TOKEN, "ghp_0123456789"),
            (ANTHROPIC_API_KEY, "sk-0123456789"),
        ] {
            fs::write(directory.path().join(name), secret).unwrap();
        }

        let credentials = Credentials::take(directory.path()).unwrap();

        assert!(!directory.path().exists());
        assert_eq!(credentials.worker_token.reveal(), "wt-0123456789");
        assert_eq!(
            credentials.model.as_ref().unwrap().variable(),
            "ANTHROPIC_API_KEY"
        );
        assert_eq!(
            credentials
                .redactor([])
                .redact("wt-0123456789 ghp_0123456789 sk-0123456789"),
            "*** *** ***"
        );
    }

    #[test]
    fn all_files_are_removed_even_if_one_is_invalid() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(WORKER_TOKEN), "two\nlines").unwrap();
        fs::write(directory.path().join(GITHUB_TOKEN), "ghp_0123456789").unwrap();

        let error = Credentials::take(directory.path()).unwrap_err();

        assert!(matches!(error, CredentialsError::Content { .. }), "{error}");
        assert!(!directory.path().exists());
    }

    #[test]
    fn a_missing_secret_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(WORKER_TOKEN), "wt-0123456789").unwrap();

        let error = Credentials::take(directory.path()).unwrap_err();

        assert!(error.to_string().contains("github-token"), "{error}");
    }
}
