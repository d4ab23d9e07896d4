//! Settings as a pure function of the environment.
//!
//! A program reads every variable through one [`Environment`], which records all problems instead of stopping at the
//! first, and the value of every setting, for the log line at start and for `config check`:
//!
//! ```
//! use whim_service::environment::{Environment, whole_number};
//!
//! struct Config { max_workers: u32, repos: Vec<String> }
//!
//! fn read(env: &mut Environment) -> Option<Config> {
//!     // Read everything before the first `?`, so that every problem is reported.
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
mod setting;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use secrecy::SecretString;

pub use self::expected::{
    Expected, dollars, flag, http_url, milliseconds, one_of, parsed, path, seconds, socket_address, text,
    url, whole_number,
};
pub use self::problem::{ConfigError, Problem};
use self::setting::EffectiveValue;
pub use self::setting::{Configured, Effective, Entry, Presence, Setting};
use crate::secret::REDACTED;

/// Larger than any secret: a wrong file (a log, a device) is not read as a whole.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

const SECRET_WORDS: &str = "one line without control characters";

/// The variables of a process, the settings read so far, and their problems.
///
/// A variable that is empty or white space counts as not set: compose files and `.env` templates cannot unset one.
pub struct Environment {
    values: BTreeMap<String, Raw>,
    effective: BTreeMap<&'static str, EffectiveValue>,
    settings: Vec<Setting>,
    problems: Vec<Problem>,
}

enum Raw {
    Text(String),
    NotUnicode,
}

impl Environment {
    /// The environment of this process. Only the command line calls this; everything else gets values as arguments.
    pub fn from_process() -> Self {
        let values = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                let value = value.into_string().map_or(Raw::NotUnicode, Raw::Text);
                Some((name, value))
            })
            .collect();
        Self::of(values)
    }

    pub fn from_pairs<Name: Into<String>, Value: Into<String>>(
        pairs: impl IntoIterator<Item = (Name, Value)>,
    ) -> Self {
        let values = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), Raw::Text(value.into())))
            .collect();
        Self::of(values)
    }

    fn of(values: BTreeMap<String, Raw>) -> Self {
        Self {
            values,
            effective: BTreeMap::new(),
            settings: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Every setting that `read` reads, with its allowed values and its default; for `--help`.
    pub fn settings_of<T>(read: impl FnOnce(&mut Self) -> Option<T>) -> Vec<Setting> {
        let mut environment = Self::of(BTreeMap::new());
        // Required settings are missing, so there may be no result.
        let _config = read(&mut environment);
        environment.settings
    }

    /// Reads all settings. `read` should read every variable before its first `?`, so that all problems are reported.
    ///
    /// # Errors
    /// All problems, one per line.
    pub fn build<T>(
        mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<Configured<T>, ConfigError> {
        let config = read(&mut self);
        match config {
            Some(config) if self.problems.is_empty() => Ok(Configured {
                config,
                effective: Effective::new(self.effective),
            }),
            Some(_) | None => Err(ConfigError::new(self.problems)),
        }
    }

    /// A setting without a default. `None` if a problem was recorded.
    pub fn required<T>(&mut self, name: &'static str, expected: Expected<T>) -> Option<T> {
        self.ask(name, expected.description(), Presence::Required);
        match self.read(name, &expected) {
            Read::Value(value) => Some(value),
            Read::Wrong => None,
            Read::NotSet => {
                self.problems.push(Problem::not_set(name, expected.description()));
                None
            }
        }
    }

    /// A setting that may be absent. `None` if it is not set, or if a problem was recorded.
    pub fn optional<T>(&mut self, name: &'static str, expected: Expected<T>) -> Option<T> {
        self.ask(name, expected.description(), Presence::Optional);
        match self.read(name, &expected) {
            Read::Value(value) => Some(value),
            Read::Wrong => None,
            Read::NotSet => {
                self.effective.insert(name, EffectiveValue::not_set());
                None
            }
        }
    }

    /// A setting with a default, which is also returned if a problem was recorded.
    pub fn or_default<T>(&mut self, name: &'static str, default: T, expected: Expected<T>) -> T {
        self.ask(
            name,
            expected.description(),
            Presence::Default(expected.show(&default)),
        );
        match self.read(name, &expected) {
            Read::Value(value) => value,
            Read::Wrong => default,
            Read::NotSet => {
                self.effective
                    .insert(name, EffectiveValue::default(expected.show(&default)));
                default
            }
        }
    }

    /// A comma-separated list, empty if it is not set. White space around items and empty items are dropped.
    pub fn list<T>(&mut self, name: &'static str, expected_item: Expected<T>) -> Vec<T> {
        let description = format!("a comma-separated list, each {}", expected_item.description());
        self.ask(name, &description, Presence::Optional);
        let Read::Value(raw) = self.raw(name) else {
            self.effective.insert(name, EffectiveValue::not_set());
            return Vec::new();
        };
        let mut items = Vec::new();
        for item in raw.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match expected_item.parse(item) {
                Some(value) => items.push(value),
                None => {
                    let shown = expected_item.show_refused(item);
                    self.problems.push(Problem::wrong(name, &shown, &description));
                }
            }
        }
        let shown: Vec<String> = items.iter().map(|item| expected_item.show(item)).collect();
        self.effective.insert(name, EffectiveValue::set(shown.join(",")));
        items
    }

    /// An optional secret: the value of `name`, or the content of the file at `{name}_FILE`.
    pub fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        self.ask(name, &secret_description(name, "a secret"), Presence::Optional);
        match self.read_secret(name) {
            Read::Value(secret) => Some(secret),
            Read::Wrong => None,
            Read::NotSet => {
                self.effective.insert(name, EffectiveValue::not_set().secret());
                None
            }
        }
    }

    /// A required secret: the value of `name`, or the content of the file at `{name}_FILE`. `description` describe it.
    pub fn required_secret(&mut self, name: &'static str, description: &str) -> Option<SecretString> {
        let description = secret_description(name, description);
        self.ask(name, &description, Presence::Required);
        match self.read_secret(name) {
            Read::Value(secret) => Some(secret),
            Read::Wrong => None,
            Read::NotSet => {
                self.problems.push(Problem::not_set(name, &description));
                None
            }
        }
    }

    /// Records a problem with the value of `name`, for example a combination that cannot work. `why` follows the
    /// variable's name and value.
    pub fn refuse(&mut self, name: &'static str, why: &str) {
        let shown = self.effective.get(name).map(|value| value.shown.clone());
        self.problems.push(Problem::refused(name, shown.as_deref(), why));
    }

    pub fn is_set(&self, name: &str) -> bool {
        match self.values.get(name) {
            Some(Raw::Text(value)) => !value.trim().is_empty(),
            Some(Raw::NotUnicode) => true,
            None => false,
        }
    }

    fn ask(&mut self, name: &'static str, expected: &str, presence: Presence) {
        self.settings.push(Setting {
            name,
            expected: expected.to_owned(),
            presence,
        });
    }

    fn read<T>(&mut self, name: &'static str, expected: &Expected<T>) -> Read<T> {
        let raw = match self.raw(name) {
            Read::Value(raw) => raw,
            Read::NotSet => return Read::NotSet,
            Read::Wrong => return Read::Wrong,
        };
        match expected.parse(&raw) {
            Some(value) => {
                self.effective
                    .insert(name, EffectiveValue::set(expected.show(&value)));
                Read::Value(value)
            }
            None => {
                let shown = expected.show_refused(&raw);
                self.problems
                    .push(Problem::wrong(name, &shown, expected.description()));
                Read::Wrong
            }
        }
    }

    fn read_secret(&mut self, name: &'static str) -> Read<SecretString> {
        let file_name = format!("{name}_FILE");
        let secret = match (self.raw(name), self.raw(&file_name)) {
            (Read::Wrong, _) | (_, Read::Wrong) => return Read::Wrong,
            (Read::NotSet, Read::NotSet) => return Read::NotSet,
            (Read::Value(_), Read::Value(_)) => {
                let why = format!("and {file_name} are both set: set one of them");
                self.problems.push(Problem::refused(name, None, &why));
                return Read::Wrong;
            }
            (Read::Value(secret), Read::NotSet) => secret,
            (Read::NotSet, Read::Value(path)) => match read_secret_file(Path::new(&path)) {
                Ok(secret) => secret,
                Err(why) => {
                    let expected = format!("a readable file with the secret ({why})");
                    self.problems
                        .push(Problem::wrong(&file_name, &format!("{path:?}"), &expected));
                    return Read::Wrong;
                }
            },
        };
        if secret.chars().any(char::is_control) {
            self.problems.push(Problem::wrong(name, "(hidden)", SECRET_WORDS));
            return Read::Wrong;
        }
        self.effective
            .insert(name, EffectiveValue::set(REDACTED).secret());
        Read::Value(SecretString::from(secret))
    }

    fn raw(&mut self, name: &str) -> Read<String> {
        match self.values.get(name) {
            Some(Raw::Text(value)) => match value.trim() {
                "" => Read::NotSet,
                value => Read::Value(value.to_owned()),
            },
            Some(Raw::NotUnicode) => {
                self.problems
                    .push(Problem::refused(name, None, "is not valid UTF-8"));
                Read::Wrong
            }
            None => Read::NotSet,
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

fn secret_description(name: &str, description: &str) -> String {
    format!("{description} (or {name}_FILE with a file that holds it)")
}
