//! The environment of an agent: the variables that are named here, and no others.

use std::ffi::{OsStr, OsString};

/// Variables that an agent gets if they are set.
const NAMES: [&str; 21] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TZ",
    "TMPDIR",
    "TERM",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    // `CLAUDE_CODE_OAUTH_TOKEN` is among the prefixes below.
    "IS_SANDBOX",
    "LOGNAME",
];

/// Prefixes of variables that an agent gets if they are set.
const PREFIXES: [&str; 4] = ["LC_", "CLAUDE_CODE_", "GIT_AUTHOR_", "GIT_COMMITTER_"];

/// Variables that git gets.
const NAMES_FOR_GIT: [&str; 5] = ["PATH", "HOME", "LANG", "TMPDIR", "TZ"];

/// Suffixes of variables whose values are redacted in the output.
const SECRET_ENDINGS: [&str; 5] = ["_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_PASSPHRASE"];

/// Shorter values are not redacted: they are likely to be part of an ordinary word.
const SHORTEST_SECRET: usize = 8;

#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    variables: Vec<(OsString, OsString)>,
}

impl Environment {
    /// Selects from `all` the variables of the fixed list and those named in `passed` (`--pass-env`).
    pub(crate) fn pick(all: impl IntoIterator<Item = (OsString, OsString)>, passed: &[String]) -> Self {
        let mut variables: Vec<_> = all
            .into_iter()
            .filter(|(name, _)| {
                name.to_str().is_some_and(|name| {
                    NAMES.contains(&name)
                        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
                        || passed.iter().any(|passed| passed == name)
                })
            })
            .collect();
        variables.sort();
        Self { variables }
    }

    /// Sets a variable, unless it is set already.
    pub(crate) fn with_default(mut self, name: &str, value: &str) -> Self {
        if self.get(name).is_none() {
            self.variables.push((name.into(), value.into()));
        }
        self
    }

    /// The variables for git: no credential, and nothing that changes its behaviour.
    pub(crate) fn for_git(&self) -> Self {
        let variables = self.variables.iter();
        Self {
            variables: variables
                .filter(|(name, _)| NAMES_FOR_GIT.iter().any(|wanted| name == wanted))
                .cloned()
                .collect(),
        }
    }

    pub(crate) fn variables(&self) -> &[(OsString, OsString)] {
        &self.variables
    }

    /// The values to redact, the longest first.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = self
            .variables
            .iter()
            .filter(|(name, _)| {
                let name = name.to_string_lossy().to_ascii_uppercase();
                SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
            })
            .filter_map(|(_, value)| value.to_str().map(str::to_owned))
            .filter(|value| value.len() >= SHORTEST_SECRET)
            .collect();
        // The longest first: one may be the beginning of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }

    fn get(&self, name: &str) -> Option<&OsStr> {
        let mut variables = self.variables.iter();
        variables
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_os_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(passed: &[&str]) -> Environment {
        let all = [
            ("PATH", "/bin"),
            ("LC_ALL", "C.UTF-8"),
            ("ANTHROPIC_API_KEY", "sk-ant-0123456789"),
            ("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-0123"),
            ("CLAUDE_CODE_MAX_OUTPUT_TOKENS", "32000000"),
            ("GIT_AUTHOR_NAME", "Whim"),
            ("GIT_DIR", "/elsewhere"),
            ("GITHUB_TOKEN", "ghs_0123456789"),
            ("DATABASE_URL", "postgres://user:secret@host/db"),
            ("LD_PRELOAD", "/tmp/evil.so"),
        ];
        let passed: Vec<String> = passed.iter().map(|&name| name.to_owned()).collect();
        Environment::pick(all.map(|(name, value)| (name.into(), value.into())), &passed)
    }

    fn names(environment: &Environment) -> Vec<&str> {
        environment
            .variables()
            .iter()
            .map(|(name, _)| name.to_str().unwrap())
            .collect()
    }

    #[test]
    fn an_agent_sees_the_fixed_list_and_what_is_passed_and_nothing_else() {
        assert_eq!(
            names(&environment(&["GITHUB_TOKEN", "NOT_SET"])),
            [
                "ANTHROPIC_API_KEY",
                "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
                "CLAUDE_CODE_OAUTH_TOKEN",
                "GITHUB_TOKEN",
                "GIT_AUTHOR_NAME",
                "LC_ALL",
                "PATH"
            ]
        );
    }

    #[test]
    fn git_sees_no_credential() {
        assert_eq!(names(&environment(&[]).for_git()), ["PATH"]);
    }

    #[test]
    fn secrets_are_recognised_by_their_names() {
        assert_eq!(
            environment(&["GITHUB_TOKEN"]).secrets(),
            ["sk-ant-0123456789", "sk-ant-oat01-0123", "ghs_0123456789"]
        );
    }

    #[test]
    fn a_default_does_not_replace_what_is_set() {
        let environment = environment(&[])
            .with_default("PATH", "/usr/bin")
            .with_default("NEW", "1");
        assert_eq!(environment.get("PATH"), Some(OsStr::new("/bin")));
        assert_eq!(environment.get("NEW"), Some(OsStr::new("1")));
    }
}
