//! How git asks for the token: a program that answers one question and no other.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use url::Url;

/// The one question that is answered; only in the environment of a git process that reaches GitHub.
pub(super) const QUESTION_VARIABLE: &str = "WHIM_ASKPASS_QUESTION";
/// The answer; in no argument, no URL and no file.
pub(super) const ANSWER_VARIABLE: &str = "WHIM_ASKPASS_ANSWER";

/// Holds no text of anybody's.
const SCRIPT: &str = "#!/bin/sh\n\
    test \"$1\" = \"$WHIM_ASKPASS_QUESTION\" && printf '%s\\n' \"$WHIM_ASKPASS_ANSWER\"\n";

pub(super) fn write(directory: &Path) -> io::Result<PathBuf> {
    let path = directory.join("askpass");
    fs::write(&path, SCRIPT)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o500))?;
    // Git starts it in whatever directory it is in itself.
    path.canonicalize()
}

/// How git asks for the password of `user` at the server of `url`, in the language `C`.
pub(super) fn question(url: &Url, user: &str) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("Password for '{}://{user}@{host}{port}': ", url.scheme())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_question_names_the_server() {
        for (url, question_text) in [
            (
                "https://github.com/a/b.git",
                "Password for 'https://x@github.com': ",
            ),
            (
                "http://127.0.0.1:8080/a/b.git",
                "Password for 'http://x@127.0.0.1:8080': ",
            ),
        ] {
            assert_eq!(question(&Url::parse(url).unwrap(), "x"), question_text);
        }
    }

    #[test]
    fn another_server_gets_no_answer() {
        let directory = tempfile::tempdir().unwrap();
        let askpass = write(directory.path()).unwrap();
        let ask = |question: &str| {
            Command::new(&askpass)
                .arg(question)
                .env(QUESTION_VARIABLE, "Password for 'https://x@github.com': ")
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
