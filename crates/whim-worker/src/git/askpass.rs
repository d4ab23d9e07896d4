//! The askpass program that hands the token to git: it answers a single prompt.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use url::Url;

/// The prompt that is answered. Only set for git commands with access to GitHub.
pub(super) const PROMPT_VARIABLE: &str = "WHIM_ASKPASS_PROMPT";
/// The token. It is passed in no argument, URL or file.
pub(super) const ANSWER_VARIABLE: &str = "WHIM_ASKPASS_ANSWER";

/// Constant, so that no untrusted text reaches the shell's parser.
const SCRIPT: &str = "#!/bin/sh\n\
    test \"$1\" = \"$WHIM_ASKPASS_PROMPT\" && printf '%s\\n' \"$WHIM_ASKPASS_ANSWER\"\n";

pub(super) fn write(directory: &Path) -> io::Result<PathBuf> {
    let path = directory.join("askpass");
    fs::write(&path, SCRIPT)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o500))?;
    // Git runs it in its own working directory.
    path.canonicalize()
}

/// Git's prompt for the password of `user` at the server of `url`, with `LC_ALL=C`.
pub(super) fn prompt(url: &Url, user: &str) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("Password for '{}://{user}@{host}{port}': ", url.scheme())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_prompt_names_the_server() {
        for (url, expected) in [
            (
                "https://github.com/a/b.git",
                "Password for 'https://x@github.com': ",
            ),
            (
                "http://127.0.0.1:8080/a/b.git",
                "Password for 'http://x@127.0.0.1:8080': ",
            ),
        ] {
            assert_eq!(prompt(&Url::parse(url).unwrap(), "x"), expected);
        }
    }

    #[test]
    fn the_token_is_not_given_to_another_server() {
        let directory = tempfile::tempdir().unwrap();
        let askpass = write(directory.path()).unwrap();
        let ask = |prompt: &str| {
            Command::new(&askpass)
                .arg(prompt)
                .env(PROMPT_VARIABLE, "Password for 'https://x@github.com': ")
                .env(ANSWER_VARIABLE, "a token")
                .output()
                .unwrap()
        };

        let right = ask("Password for 'https://x@github.com': ");
        let wrong = ask("Password for 'https://x@evil.example': ");

        assert_eq!(String::from_utf8(right.stdout).unwrap(), "a token\n");
        assert_eq!(String::from_utf8(wrong.stdout).unwrap(), "");
        assert!(!wrong.status.success());
    }
}
