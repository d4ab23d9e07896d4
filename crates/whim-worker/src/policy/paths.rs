//! Patterns of protected paths.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

const MAX_PATTERNS: usize = 100;
const MAX_PATTERN_BYTES: usize = 500;

/// Patterns as in `.gitignore`, without exceptions: one without a slash inside applies at any depth, and a directory stands for
/// everything below it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>")]
pub struct ProtectedPaths {
    #[schemars(skip)]
    set: GlobSet,
    patterns: Vec<String>,
}

impl ProtectedPaths {
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// `path` is relative to the root of the repository.
    pub fn contain(&self, path: &str) -> bool {
        self.set.is_match(path)
    }
}

impl PartialEq for ProtectedPaths {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for ProtectedPaths {}

impl TryFrom<Vec<String>> for ProtectedPaths {
    type Error = String;

    fn try_from(patterns: Vec<String>) -> Result<Self, String> {
        if patterns.len() > MAX_PATTERNS {
            return Err(format!(
                "expected at most {MAX_PATTERNS} patterns, found {}",
                patterns.len()
            ));
        }
        let mut set = GlobSetBuilder::new();
        for pattern in &patterns {
            for glob in globs(pattern)? {
                let built = GlobBuilder::new(&glob).literal_separator(true).build();
                set.add(built.map_err(|error| format!("`{pattern}` is no pattern: {}", error.kind()))?);
            }
        }
        let set = set.build().map_err(|error| error.to_string())?;
        Ok(Self { set, patterns })
    }
}

/// The pattern itself, and everything below what it names.
fn globs(pattern: &str) -> Result<[String; 2], String> {
    let name = pattern.trim_end_matches('/');
    let is_pattern = !name.trim_start_matches('/').is_empty() && pattern.len() <= MAX_PATTERN_BYTES;
    if !is_pattern || pattern.starts_with('!') {
        return Err(format!(
            "expected a pattern of at most {MAX_PATTERN_BYTES} bytes, such as `infra/**` or `*.sql`; `!` is not supported"
        ));
    }
    // A slash at the start or in the middle: relative to the root.
    let rooted = if name.contains('/') {
        name.trim_start_matches('/').to_owned()
    } else {
        format!("**/{name}")
    };
    let below = format!("{rooted}/**");
    Ok([rooted, below])
}
