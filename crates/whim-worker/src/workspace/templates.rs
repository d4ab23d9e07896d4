//! The repository's own template of pull requests.

use whim_service::chain::chain;

use super::base::BaseFile;
use super::handle::Workspace;
use crate::git::GitError;
use crate::text::shorten;

/// Where GitHub searches. The root is the last, because its listing is the longest.
const DIRECTORIES: [&str; 3] = [".github/", "docs/", ""];
const NAMES: [&str; 2] = ["pull_request_template.md", "pull_request_template.txt"];
const MAX_CHARACTERS: usize = 10_000;

impl Workspace {
    /// The template on the base branch. One of several to choose from is not chosen.
    pub async fn pull_request_template(&self) -> Option<String> {
        match self.find_template().await {
            Ok(template) => template,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the template of pull requests cannot be read");
                None
            }
        }
    }

    async fn find_template(&self) -> Result<Option<String>, GitError> {
        for directory in DIRECTORIES {
            let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> =
                vec![&"ls-tree", &"-z", &"--name-only", &"--end-of-options"];
            let base = self.base_at_start.as_str();
            arguments.push(&base);
            if !directory.is_empty() {
                arguments.extend([&"--" as &dyn AsRef<std::ffi::OsStr>, &directory]);
            }
            let paths = self.git.local(&self.layout.mirror, &arguments).await?;
            // GitHub ignores the case of names.
            let is_template = |path: &&str| {
                let name = path.strip_prefix(directory).unwrap_or(path);
                NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
            };
            if let Some(path) = paths.split('\0').find(is_template)
                && let BaseFile::Text(text) = self.read_base_file(path).await?
            {
                let text = shorten(text.trim(), MAX_CHARACTERS);
                return Ok(Some(text).filter(|text| !text.is_empty()));
            }
        }
        Ok(None)
    }
}
