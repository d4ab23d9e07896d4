//! The operator's MCP servers (`MCP_CONFIG`), of which the policy of a repository may choose. An agent gets no others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::workspace::looks_random;

/// Where servers have secrets.
const SECRET_FIELDS: [&str; 2] = ["env", "headers"];
/// Names whose last word is one of these are those of credentials: `X-Api-Key`.
const CREDENTIAL_WORDS: [&str; 5] = ["auth", "cookie", "key", "pass", "pwd"];
/// Names that end like this are, too: `DB_PASSWORD`, `PGPASSWORD`.
const CREDENTIAL_ENDINGS: [&str; 9] = [
    "apikey",
    "authorization",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "secret",
    "token",
];
/// What can precede a credential in a header.
const SCHEMES: [&str; 5] = ["apikey", "basic", "bearer", "key", "token"];
const HARMLESS_HEADERS: [&str; 7] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "content-type",
    "mcp-protocol-version",
    "origin",
    "user-agent",
];

/// In the format of Claude Code.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct McpServers {
    #[serde(rename = "mcpServers")]
    servers: BTreeMap<String, Value>,
}

impl McpServers {
    /// Reads the file of the operator.
    ///
    /// # Errors
    /// It cannot be read, or has another format.
    pub fn read(file: &Path) -> Result<Self, String> {
        let shown = file.display();
        let text =
            fs::read_to_string(file).map_err(|error| format!("MCP_CONFIG: reading {shown}: {error}"))?;
        let servers: Self = serde_json::from_str(&text)
            .map_err(|error| format!("MCP_CONFIG: {shown} is no configuration of MCP servers: {error}"))?;
        let is_name = |name: &String| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            !name.is_empty() && name.bytes().all(allowed)
        };
        match servers.servers.keys().find(|name| !is_name(name)) {
            None => Ok(servers),
            Some(name) => Err(format!(
                "MCP_CONFIG: {shown} has a server {name:?}; expected names of letters, digits, `_` and `-`"
            )),
        }
    }

    /// Those that a policy names; all without a list.
    ///
    /// # Errors
    /// The operator has no server of a name.
    pub fn chosen(&self, names: Option<&[String]>) -> Result<Self, String> {
        let Some(names) = names else {
            return Ok(self.clone());
        };
        let find = |name: &String| match self.servers.get(name) {
            Some(server) => Ok((name.clone(), server.clone())),
            None => {
                let known: Vec<&str> = self.servers.keys().map(String::as_str).collect();
                let known = if known.is_empty() {
                    "the operator has none (MCP_CONFIG)".to_owned()
                } else {
                    format!("the operator has {}", known.join(", "))
                };
                Err(format!("`mcpServers`: there is no MCP server {name:?}; {known}"))
            }
        };
        let servers = names.iter().map(find).collect::<Result<_, String>>()?;
        Ok(Self { servers })
    }

    /// Writes them to a file in `directory` for the agent's program; `None` if there are none.
    ///
    /// # Errors
    /// Writing failed.
    pub fn write(&self, directory: &Path) -> std::io::Result<Option<PathBuf>> {
        if self.servers.is_empty() {
            return Ok(None);
        }
        let file = directory.join("mcp.json");
        fs::write(&file, serde_json::to_vec(self)?)?;
        Ok(Some(file))
    }

    /// The credentials in variables and headers, which are to be masked. Values that look like no credential are not among them:
    /// `production` and `application/json` are in honest commits.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let fields = self
            .servers
            .values()
            .flat_map(|server| SECRET_FIELDS.iter().filter_map(|field| server.get(field)));
        let values = fields.filter_map(Value::as_object).flatten();
        values
            .filter_map(|(name, value)| Some((name, value.as_str()?)))
            .flat_map(|(name, value)| secrets_in(name, value))
    }
}

fn secrets_in<'v>(name: &str, value: &'v str) -> Vec<&'v str> {
    let name = name.to_ascii_lowercase();
    if HARMLESS_HEADERS.contains(&name.as_str()) {
        return Vec::new();
    }
    let value = match value.trim().split_once(' ') {
        Some((scheme, rest)) if SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) => rest.trim_start(),
        _ => value.trim(),
    };
    if let Some((_scheme, address)) = value.split_once("://") {
        return secrets_in_address(address);
    }
    let is_path = value.starts_with('/');
    let is_named = !is_path && !is_reference(value) && name_is_of_credential(&name);
    if is_named || looks_random(value) {
        vec![value]
    } else {
        Vec::new()
    }
}

/// The password in a URL, and the random parts of the rest of it.
fn secrets_in_address(address: &str) -> Vec<&str> {
    let host_end = address.find(['/', '?', '#']).unwrap_or(address.len());
    let (host, rest) = address.split_at(host_end);
    let user = host.rsplit_once('@').map(|(user, _host)| user);
    let (user, password) = match user.and_then(|user| user.split_once(':')) {
        Some((user, password)) => (Some(user), Some(password)),
        None => (user, None),
    };
    let others = rest.split(['/', '?', '#', '&', '=']).chain(user);
    let others = others.filter(|part| looks_random(part));
    let password = password.filter(|password| !is_reference(password));
    password.into_iter().chain(others).collect()
}

/// To another variable, `${TOKEN}`: the agent's program replaces it.
fn is_reference(value: &str) -> bool {
    value.starts_with("${")
}

fn name_is_of_credential(name: &str) -> bool {
    let last = name
        .rsplit(|character: char| !character.is_ascii_alphanumeric())
        .next();
    CREDENTIAL_ENDINGS.iter().any(|ending| name.ends_with(ending))
        || last.is_some_and(|word| CREDENTIAL_WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Result<McpServers, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("mcp.json");
        fs::write(&file, text).unwrap();
        McpServers::read(&file)
    }

    #[test]
    fn a_policy_chooses_among_the_servers_of_the_operator() {
        let all = servers(
            r#"{"mcpServers": {"docs": {"command": "docs", "env": {"TOKEN": "a-secret-token"}}, "db": {"url": "http://x"}}}"#,
        )
        .unwrap();
        assert_eq!(all.chosen(None), Ok(all.clone()));
        let docs = all.chosen(Some(&["docs".to_owned()])).unwrap();
        assert_eq!(docs.servers.keys().collect::<Vec<_>>(), ["docs"]);
        assert_eq!(all.chosen(Some(&[])), Ok(McpServers::default()));
        let error = all.chosen(Some(&["web".to_owned()])).unwrap_err();
        assert_eq!(
            error,
            "`mcpServers`: there is no MCP server \"web\"; the operator has db, docs"
        );
        assert_eq!(all.secrets().collect::<Vec<_>>(), ["a-secret-token"]);
    }

    #[test]
    fn values_of_variables_and_headers_are_secrets_if_they_look_like_some() {
        let random = "wW3kX9zQ2vB7nM4tR8yL";
        let bearer = format!("Bearer {random}");
        let (hook, query, dsn) = (
            format!("https://hooks.example/services/T0/{random}"),
            format!("https://docs.example/v2?key={random}"),
            format!("https://{random}@errors.example/42"),
        );
        for (name, value, secrets) in [
            ("Accept", "application/json", vec![]),
            ("User-Agent", "whim/0.1.0 (build wW3kX9zQ2vB7nM4tR8yL)", vec![]),
            ("NODE_ENV", "production", vec![]),
            ("X-Api-Version", "2026-01-31", vec![]),
            ("PROJECT_ID", "my-project-123456", vec![]),
            ("KEY_PREFIX", "production", vec![]),
            ("GIT_AUTHOR_NAME", "Ada Lovelace", vec![]),
            ("BASE_URL", "https://api.example.com/v2/projects", vec![]),
            ("SSH_KEY", "/home/whim/.ssh/id_ed25519", vec![]),
            ("API_TOKEN", "${API_TOKEN}", vec![]),
            ("DB_PASSWORD", "$hunter2hunter2", vec!["$hunter2hunter2"]),
            ("DATABASE_URL", "postgres://shop:${DB_PASSWORD}@db/shop", vec![]),
            ("Authorization", "Bearer ${API_TOKEN}", vec![]),
            ("API_TOKEN", "a-secret-token", vec!["a-secret-token"]),
            ("DB_PASSWORD", "hunter2hunter2", vec!["hunter2hunter2"]),
            ("PGPASSWORD", "hunter2hunter2", vec!["hunter2hunter2"]),
            ("MAX_TOKENS", "100000", vec![]),
            ("X-Api-Key", "secretpw", vec!["secretpw"]),
            ("Authorization", &bearer, vec![random]),
            ("Authorization", "basic dXNlcjpwdw==", vec!["dXNlcjpwdw=="]),
            ("X-Session", random, vec![random]),
            (
                "DATABASE_URL",
                "postgres://shop:hunter2x@db:5432/shop",
                vec!["hunter2x"],
            ),
            ("WEBHOOK", &hook, vec![random]),
            ("DOCS", &query, vec![random]),
            ("ERRORS_DSN", &dsn, vec![random]),
        ] {
            assert_eq!(secrets_in(name, value), secrets, "{name}: {value}");
        }
    }

    #[test]
    fn a_file_of_another_format_is_refused() {
        for (text, part) in [
            ("[]", "no configuration of MCP servers"),
            ("{}", "missing field `mcpServers`"),
            (r#"{"mcpServers": {"a b": {}}}"#, "a server \"a b\""),
        ] {
            let error = servers(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
