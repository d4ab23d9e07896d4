//! The operator's MCP servers (`MCP_CONFIG`), of which the policy of a repository may choose. An agent gets no others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where servers have secrets.
const SECRET_FIELDS: [&str; 2] = ["env", "headers"];

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

    /// The values of variables and headers, which are to be masked.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let fields = self
            .servers
            .values()
            .flat_map(|server| SECRET_FIELDS.iter().filter_map(|field| server.get(field)));
        fields
            .filter_map(Value::as_object)
            .flat_map(|values| values.values().filter_map(Value::as_str))
    }
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
