//! Configuration as a pure function of the environment.
//!
//! A program reads every variable through one [`Environment`], which remembers all that is wrong instead of stopping
//! at the first, and what every setting came to be, so that one log line at start shows it:
//!
//! ```
//! use whim_service::environment::{Environment, whole_number};
//!
//! struct Config { max_workers: u32, repos: Vec<String> }
//!
//! fn read(env: &mut Environment) -> Option<Config> {
//!     // Read everything first; `?` comes after, so that every problem is found in one go.
//!     let max_workers = env.or_default("MAX_WORKERS", 5, whole_number(1..=1000));
//!     let repos = env.required("REPOS", whim_service::environment::text("a comma-separated list"));
//!     Some(Config { max_workers, repos: repos?.split(',').map(str::to_owned).collect() })
//! }
//!
//! let refused = Environment::from_pairs([("MAX_WORKERS", "abc")]).build(read).map(|_| ()).unwrap_err();
//! assert_eq!(
//!     refused.to_string(),
//!     "MAX_WORKERS is \"abc\": expected a whole number from 1 to 1000\n\
//!      REPOS is not set: expected a comma-separated list",
//! );
//! ```

mod expected;
mod problem;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use secrecy::SecretString;

pub use self::expected::{
    Expected, decimal, flag, http_url, milliseconds, one_of, parsed, path, seconds, socket_address, text,
    url, whole_number,
};
pub use self::problem::{ConfigError, Problem};
use crate::secret::REDACTED;

/// No secret of ours is larger; a wrong file (a log, a device) must not be read whole.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

const SECRET_WORDS: &str = "one line without control characters";

/// The variables of a process, the settings read from them so far, and what was wrong with those.
///
/// A variable that is empty or only white space counts as not set, because compose files and `.env` templates
/// cannot unset one.
pub struct Environment {
    values: BTreeMap<String, Raw>,
    effective: BTreeMap<&'static str, String>,
    problems: Vec<Problem>,
}

enum Raw {
    Text(String),
    NotUnicode,
}

impl Environment {
    /// The environment of this process. `main` calls this once; everything else gets values as arguments.
    pub fn from_process() -> Self {
        let values = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                let value = value.into_string().map_or(Raw::NotUnicode, Raw::Text);
                Some((name, value))
            })
            .collect();
        Self {
            values,
            effective: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    /// An environment of exactly these variables.
    pub fn from_pairs<Name: Into<String>, Value: Into<String>>(
        pairs: impl IntoIterator<Item = (Name, Value)>,
    ) -> Self {
        let values = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), Raw::Text(value.into())))
            .collect();
        Self {
            values,
            effective: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    /// Reads a whole configuration.
    ///
    /// `read` should read every variable before it gives up (`?`) on a missing one, so that all problems are told at once.
    ///
    /// # Errors
    /// Everything that was wrong, if anything was.
    pub fn build<T>(
        mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<Configured<T>, ConfigError> {
        let config = read(&mut self);
        match config {
            Some(config) if self.problems.is_empty() => Ok(Configured {
                config,
                effective: Effective(self.effective),
            }),
            Some(_) | None => Err(ConfigError::new(self.problems)),
        }
    }

    /// A setting without a default. `None` means that a problem was recorded.
    pub fn required<T>(&mut self, name: &'static str, expected: Expected<T>) -> Option<T> {
        match self.read(name, &expected) {
            Read::Value(value) => Some(value),
            Read::Wrong => None,
            Read::NotSet => {
                self.problems.push(Problem::not_set(name, expected.words()));
                None
            }
        }
    }

    /// A setting that may be absent. `None` means not set, or wrong (then a problem was recorded).
    pub fn optional<T>(&mut self, name: &'static str, expected: Expected<T>) -> Option<T> {
        match self.read(name, &expected) {
            Read::Value(value) => Some(value),
            Read::Wrong => None,
            Read::NotSet => {
                self.effective.insert(name, "(not set)".to_owned());
                None
            }
        }
    }

    /// A setting with a default. The default is also the answer when the value is wrong (then a problem was recorded).
    pub fn or_default<T>(&mut self, name: &'static str, default: T, expected: Expected<T>) -> T {
        match self.read(name, &expected) {
            Read::Value(value) => value,
            Read::Wrong => default,
            Read::NotSet => {
                self.effective.insert(name, expected.show(&default));
                default
            }
        }
    }

    /// A comma-separated list; white space around items and empty items are dropped. Not set is the empty list.
    pub fn list<T>(&mut self, name: &'static str, expected_item: Expected<T>) -> Vec<T> {
        let Some(raw) = self.raw(name) else {
            self.effective.insert(name, "(none)".to_owned());
            return Vec::new();
        };
        let mut items = Vec::new();
        for item in raw.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match expected_item.parse(item) {
                Some(value) => items.push(value),
                None => {
                    let words = format!("a comma-separated list, each {}", expected_item.words());
                    self.problems
                        .push(Problem::wrong(name, &expected_item.show_refused(item), &words));
                }
            }
        }
        let shown: Vec<String> = items.iter().map(|item| expected_item.show(item)).collect();
        self.effective.insert(name, shown.join(","));
        items
    }

    /// A secret that may be absent: the value of `name`, or the content of the file that `{name}_FILE` names.
    pub fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        let read = self.read_secret(name);
        match read {
            Read::Value(secret) => Some(secret),
            Read::Wrong => None,
            Read::NotSet => {
                self.effective.insert(name, "(not set)".to_owned());
                None
            }
        }
    }

    /// A secret that must be there: the value of `name`, or the content of the file that `{name}_FILE` names.
    /// `words` say what it is and where a person gets one.
    pub fn required_secret(&mut self, name: &'static str, words: &str) -> Option<SecretString> {
        match self.read_secret(name) {
            Read::Value(secret) => Some(secret),
            Read::Wrong => None,
            Read::NotSet => {
                self.problems.push(Problem::not_set(
                    name,
                    &format!("{words} (or {name}_FILE with a file that holds it)"),
                ));
                None
            }
        }
    }

    /// Records that the value of `name` does not go together with others, or is not available; `why` reads after
    /// the variable's name and value.
    pub fn refuse(&mut self, name: &'static str, why: &str) {
        let shown = self.effective.get(name).cloned();
        self.problems.push(Problem::refused(name, shown.as_deref(), why));
    }

    /// Whether `name` is set to something.
    pub fn is_set(&self, name: &str) -> bool {
        match self.values.get(name) {
            Some(Raw::Text(value)) => !value.trim().is_empty(),
            Some(Raw::NotUnicode) => true,
            None => false,
        }
    }

    fn read<T>(&mut self, name: &'static str, expected: &Expected<T>) -> Read<T> {
        if let Some(Raw::NotUnicode) = self.values.get(name) {
            self.problems
                .push(Problem::refused(name, None, "is not valid UTF-8"));
            return Read::Wrong;
        }
        let Some(raw) = self.raw(name) else {
            return Read::NotSet;
        };
        match expected.parse(&raw) {
            Some(value) => {
                self.effective.insert(name, expected.show(&value));
                Read::Value(value)
            }
            None => {
                self.problems.push(Problem::wrong(
                    name,
                    &expected.show_refused(&raw),
                    expected.words(),
                ));
                Read::Wrong
            }
        }
    }

    fn read_secret(&mut self, name: &'static str) -> Read<SecretString> {
        let file_name = format!("{name}_FILE");
        let secret = match (self.raw(name), self.raw(&file_name)) {
            (None, None) => return Read::NotSet,
            (Some(_), Some(_)) => {
                self.problems.push(Problem::refused(
                    name,
                    None,
                    &format!("and {file_name} are both set: set one of them"),
                ));
                return Read::Wrong;
            }
            (Some(secret), None) => secret,
            (None, Some(path)) => match read_secret_file(Path::new(&path)) {
                Ok(secret) => secret,
                Err(why) => {
                    self.problems.push(Problem::wrong(
                        &file_name,
                        &format!("{path:?}"),
                        &format!("a readable file with the secret ({why})"),
                    ));
                    return Read::Wrong;
                }
            },
        };
        if secret.chars().any(char::is_control) {
            self.problems.push(Problem::wrong(name, "(hidden)", SECRET_WORDS));
            return Read::Wrong;
        }
        self.effective.insert(name, REDACTED.to_owned());
        Read::Value(SecretString::from(secret))
    }

    fn raw(&self, name: &str) -> Option<String> {
        match self.values.get(name) {
            Some(Raw::Text(value)) => Some(value.trim().to_owned()).filter(|value| !value.is_empty()),
            Some(Raw::NotUnicode) | None => None,
        }
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: BTreeSet<&str> = self.values.keys().map(String::as_str).collect();
        formatter
            .debug_struct("Environment")
            .field("names", &names)
            .finish_non_exhaustive()
    }
}

enum Read<T> {
    Value(T),
    NotSet,
    Wrong,
}

fn read_secret_file(path: &Path) -> Result<String, String> {
    let mut content = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_SECRET_FILE_BYTES + 1)
        .read_to_string(&mut content)
        .map_err(|error| error.to_string())?;
    if content.len() as u64 > MAX_SECRET_FILE_BYTES {
        return Err(format!("it is larger than {MAX_SECRET_FILE_BYTES} bytes"));
    }
    match content.trim() {
        "" => Err("it is empty".to_owned()),
        secret => Ok(secret.to_owned()),
    }
}

/// A configuration and what its settings came to be.
#[derive(Debug)]
pub struct Configured<T> {
    /// The configuration itself.
    pub config: T,
    /// Every setting that was read, for one log line at start.
    pub effective: Effective,
}

/// Every setting that was read, with its value or default; secrets are redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective(BTreeMap<&'static str, String>);

impl Effective {
    /// The settings by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(formatter, "{separator}{name}={value}")?;
        }
        Ok(())
    }
}
