//! The allowed values of a variable: description, parser and display.

use std::fmt::{Debug, Display};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use crate::secret::{redact_malformed_url, redact_url};

/// The allowed values of a variable. The description completes the message `MAX_WORKERS is "abc": expected …`.
pub struct Expected<T> {
    description: String,
    parse: Parse<T>,
    show: Box<dyn Fn(&T) -> String>,
    show_refused: fn(&str) -> String,
}

type Parse<T> = Box<dyn Fn(&str) -> Option<T>>;

impl<T> Expected<T> {
    /// A custom rule. `show` must not reveal secrets.
    pub fn new(
        description: impl Into<String>,
        parse: impl Fn(&str) -> Option<T> + 'static,
        show: impl Fn(&T) -> String + 'static,
    ) -> Self {
        Self {
            description: description.into(),
            parse: Box::new(parse),
            show: Box::new(show),
            show_refused: quoted,
        }
    }

    /// The same, restricted to values that `allowed` accepts, with other `description`.
    pub fn only_if(self, description: impl Into<String>, allowed: impl Fn(&T) -> bool + 'static) -> Self
    where
        T: 'static,
    {
        let parse = self.parse;
        Self {
            description: description.into(),
            parse: Box::new(move |raw| parse(raw).filter(&allowed)),
            ..self
        }
    }

    pub(super) fn description(&self) -> &str {
        &self.description
    }

    pub(super) fn parse(&self, raw: &str) -> Option<T> {
        (self.parse)(raw)
    }

    pub(super) fn show(&self, value: &T) -> String {
        (self.show)(value)
    }

    pub(super) fn show_refused(&self, raw: &str) -> String {
        (self.show_refused)(raw)
    }
}

fn quoted(raw: &str) -> String {
    format!("{raw:?}")
}

/// Anything that parses.
pub fn parsed<T: FromStr + Display + 'static>(description: impl Into<String>) -> Expected<T> {
    Expected::new(description, |raw| raw.parse().ok(), T::to_string)
}

pub fn text(description: impl Into<String>) -> Expected<String> {
    parsed(description)
}

/// A path, which may not exist yet.
pub fn path(description: impl Into<String>) -> Expected<PathBuf> {
    Expected::new(
        description,
        |raw| Some(PathBuf::from(raw)),
        |path| path.display().to_string(),
    )
}

/// A whole number within `range`.
pub fn whole_number<T>(range: RangeInclusive<T>) -> Expected<T>
where
    T: FromStr + Display + PartialOrd + 'static,
{
    let description = format!("a whole number from {} to {}", range.start(), range.end());
    parsed(description.clone()).only_if(description, move |value| range.contains(value))
}

/// A duration within `range`, as a number of seconds, with fractions.
pub fn seconds(range: RangeInclusive<Duration>) -> Expected<Duration> {
    let description = format!(
        "a number of seconds from {} to {}",
        range.start().as_secs_f64(),
        range.end().as_secs_f64()
    );
    let parse = |raw: &str| {
        raw.parse()
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    };
    let show = |duration: &Duration| duration.as_secs_f64().to_string();
    Expected::new(description.clone(), parse, show).only_if(description, move |value| range.contains(value))
}

/// A duration within `range`, as a whole number of milliseconds.
pub fn milliseconds(range: RangeInclusive<Duration>) -> Expected<Duration> {
    let description = format!(
        "a whole number of milliseconds from {} to {}",
        range.start().as_millis(),
        range.end().as_millis()
    );
    let parse = |raw: &str| raw.parse().ok().map(Duration::from_millis);
    let show = |duration: &Duration| duration.as_millis().to_string();
    Expected::new(description.clone(), parse, show).only_if(description, move |value| range.contains(value))
}

/// `true` or `false` (also `1`/`0`, `yes`/`no`, `on`/`off`).
/// More than 0, as it was written.
pub fn dollars() -> Expected<String> {
    text("an amount in US dollars above 0, such as 5 or 0.5").only_if(
        "an amount in US dollars above 0, such as 5 or 0.5",
        |text| {
            text.parse::<f64>()
                .is_ok_and(|amount| amount.is_finite() && amount > 0.0)
        },
    )
}

pub fn flag() -> Expected<bool> {
    Expected::new(
        "true or false",
        |raw| match raw.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        },
        bool::to_string,
    )
}

/// One of the named values.
pub fn one_of<T: Clone + Debug + PartialEq + 'static>(choices: &'static [(&'static str, T)]) -> Expected<T> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    Expected::new(
        format!("one of: {}", names.join(", ")),
        |raw| {
            choices
                .iter()
                .find(|(name, _)| *name == raw)
                .map(|(_, value)| value.clone())
        },
        |value| {
            choices
                .iter()
                .find(|(_, choice)| choice == value)
                .map_or_else(|| debug(value), |(name, _)| (*name).to_owned())
        },
    )
}

/// A URL with one of `schemes`. Passwords are shown neither in logs nor in errors.
pub fn url(description: impl Into<String>, schemes: &'static [&'static str]) -> Expected<Url> {
    let parse = |raw: &str| {
        Url::parse(raw)
            .ok()
            .filter(|url| schemes.contains(&url.scheme()) && url.has_host())
    };
    let show = |url: &Url| {
        let shown = redact_url(url);
        // `https://host` parses as `https://host/`.
        match shown.strip_suffix('/') {
            Some(without_slash) if url.path() == "/" => without_slash.to_owned(),
            Some(_) | None => shown,
        }
    };
    let mut expected = Expected::new(description, parse, show);
    expected.show_refused = |raw| {
        // `user:password@host` parses as a URL with the scheme `user` and no host.
        let shown = match Url::parse(raw) {
            Ok(url) if url.has_host() => redact_url(&url),
            Ok(_) | Err(_) => redact_malformed_url(raw),
        };
        quoted(&shown)
    };
    expected
}

/// An `http://` or `https://` URL.
pub fn http_url() -> Expected<Url> {
    url("a URL that starts with http:// or https://", &["http", "https"])
}

/// An IP address and a port.
pub fn socket_address() -> Expected<SocketAddr> {
    parsed("an IP address and a port such as 127.0.0.1:3002")
}

fn debug<T: Debug>(value: &T) -> String {
    format!("{value:?}")
}
