//! The learnings that the agent wrote down, read at the end of an attempt.

use std::path::{Path, PathBuf};

use whim_core::RelativePath;
use whim_core::protocol::learnings::{
    LearningKind, MAX_LEARNING_CHARACTERS, MAX_LEARNINGS_PER_ATTEMPT, ReportedLearning, ReportedLearnings,
};
use whim_core::redact::Redactor;

use super::files;
use super::secret_patterns::{OwnSecrets, token_in};

/// The rest of a larger file would be over the limit of learnings anyway.
const MAX_FILE_BYTES: usize = 256 * 1024;
const MAX_USED: usize = 100;
const MAX_CITATIONS: usize = 20;

/// Where the agent writes its learnings.
#[derive(Clone, Debug)]
pub struct NewLearnings {
    pub(super) repository: PathBuf,
    pub(super) path: String,
    pub(super) secrets: OwnSecrets,
}

impl NewLearnings {
    /// What the agent wrote; nothing if the file is missing, too large or not a regular file. Texts with credentials are
    /// left out.
    pub fn read(&self, redactor: &Redactor) -> ReportedLearnings {
        let content = match files::read(&self.repository, &self.path, MAX_FILE_BYTES) {
            Ok(content) => content.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "failed to read the learnings of the agent");
                return ReportedLearnings::default();
            }
        };
        let Parsed { learnings, used } = parse(&content);
        let new = learnings.into_iter().filter_map(|(kind, text)| {
            if self.secrets.are_in(&text) || token_in(&text).is_some() {
                tracing::warn!("left out a learning that contains a credential");
                return None;
            }
            let (citations, missing_citations) = citations(&self.repository, &text);
            Some(ReportedLearning {
                kind,
                // Postgres cannot store NUL.
                text: redactor.redact(&text).replace('\0', ""),
                citations,
                missing_citations,
            })
        });
        ReportedLearnings {
            new: new.take(MAX_LEARNINGS_PER_ATTEMPT).collect(),
            used,
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Parsed {
    learnings: Vec<(LearningKind, String)>,
    used: Vec<u32>,
}

/// Bullets such as `- Gotcha: …`, with further lines that are indented, and `- Used: L1, L3`. Anything else is ignored.
fn parse(content: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut is_open = false;
    for line in content.lines() {
        if let Some((label, text)) = bullet(line) {
            is_open = false;
            match label.to_ascii_lowercase().as_str() {
                "pattern" => parsed.learnings.push((LearningKind::Pattern, text.to_owned())),
                "gotcha" => parsed.learnings.push((LearningKind::Gotcha, text.to_owned())),
                "approach" => parsed.learnings.push((LearningKind::Approach, text.to_owned())),
                "used" => {
                    let numbers = text.split(|c: char| !c.is_ascii_digit());
                    parsed
                        .used
                        .extend(numbers.filter_map(|number| number.parse::<u32>().ok()));
                    continue;
                }
                _ => continue,
            }
            is_open = true;
        } else if is_open && line.starts_with([' ', '\t']) && !line.trim().is_empty() {
            if let Some((_, text)) = parsed.learnings.last_mut() {
                text.push(' ');
                text.push_str(line.trim());
            }
        } else {
            is_open = false;
        }
    }
    parsed
        .learnings
        .retain(|(_, text)| !text.trim().is_empty() && text.chars().count() <= MAX_LEARNING_CHARACTERS);
    parsed.used.sort_unstable();
    parsed.used.dedup();
    parsed.used.truncate(MAX_USED);
    parsed
}

/// The label of a bullet and its text.
fn bullet(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("- ").or_else(|| line.strip_prefix("* "))?;
    let (label, text) = rest.split_once(':')?;
    let is_emphasis = |c: char| c == '*' || c == '_' || c.is_whitespace();
    Some((label.trim_matches(is_emphasis), text.trim_matches(is_emphasis)))
}

/// Files and directories that the text names in backquotes, and those of them that do not exist. What is in no directory of
/// the repository is no file: it may be a module or a route.
fn citations(repository: &Path, text: &str) -> (Vec<String>, Vec<String>) {
    let mut all: Vec<String> = Vec::new();
    let mut missing = Vec::new();
    for name in text.split('`').skip(1).step_by(2) {
        // Without a line number.
        let name = name
            .trim()
            .split(':')
            .next()
            .unwrap_or_default()
            .trim_end_matches('/');
        let Some((directory, _)) = name.split_once('/') else {
            continue;
        };
        let is_known = all.iter().any(|known| known == name);
        if is_known || all.len() >= MAX_CITATIONS || RelativePath::parse(name).is_err() {
            continue;
        }
        if !files::exists(repository, directory) {
            continue;
        }
        all.push(name.to_owned());
        if !files::exists(repository, name) {
            missing.push(name.to_owned());
        }
    }
    (all, missing)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn bullets_of_the_documented_kinds_are_read() {
        let content = "# Notes\n\n- Pattern: Use `make`\n- **Gotcha**: The port\n  is 5433\n* approach: ask\n- Idea: none\n\
            text\n- Used: L3, L1 and L3\n- Gotcha:\n";
        assert_eq!(
            parse(content),
            Parsed {
                learnings: vec![
                    (LearningKind::Pattern, "Use `make`".to_owned()),
                    (LearningKind::Gotcha, "The port is 5433".to_owned()),
                    (LearningKind::Approach, "ask".to_owned()),
                ],
                used: vec![1, 3],
            }
        );
    }

    #[test]
    fn files_that_a_text_names_are_looked_up() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("src")).unwrap();
        fs::write(root.path().join("src/main.rs"), "").unwrap();
        let text = "See `src/main.rs:12`, `src/old.rs`, `lodash/debounce`, `/api/x`, `src/../../etc` and `cargo test`";
        assert_eq!(
            citations(root.path(), text),
            (
                vec!["src/main.rs".to_owned(), "src/old.rs".to_owned()],
                vec!["src/old.rs".to_owned()]
            )
        );
    }

    #[test]
    fn texts_with_credentials_are_left_out_and_known_secrets_masked() {
        let root = tempfile::tempdir().unwrap();
        let secret = "own-secret-0123456789abcdef";
        let token = ["ghp", "_q8Rk2Zt7Yw1Xc4Vb6Nm9Lp3Jh5Gf0Ds8AsQ2"].concat();
        fs::write(
            root.path().join("new-learnings.md"),
            format!("- Gotcha: the key is {secret}\n- Gotcha: the token is {token}\n- Gotcha: tests need port 5433\n"),
        )
        .unwrap();
        let file = NewLearnings {
            repository: root.path().to_owned(),
            path: "new-learnings.md".to_owned(),
            secrets: OwnSecrets::new([secret]),
        };
        let read = file.read(&Redactor::new([]));
        let texts: Vec<&str> = read.new.iter().map(|learning| learning.text.as_str()).collect();
        assert_eq!(texts, ["tests need port 5433"]);
    }
}
