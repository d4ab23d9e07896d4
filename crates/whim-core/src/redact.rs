//! Masks known secrets and paths of the machine in text that leaves a process.

use std::borrow::Cow;

use ralph_contract::content::cut_marks;

/// Replaces known secrets with `***`. Values are matched exactly, because patterns miss new formats: GitHub changed that of
/// installation tokens in 2026 (`docs/attacks.md`, row 31).
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Vec<String>,
    /// Paths, and what is shown in their place; the longest first.
    paths: Vec<(String, &'static str)>,
}

const MASK: &str = "***";
/// Shorter values could be ordinary words. No credential of Whim is that short.
const MIN_SECRET_BYTES: usize = 8;
/// Shorter parts of a secret reveal little of it, and could be ordinary words.
const MIN_PART_BYTES: usize = 6;

impl Redactor {
    /// Masks these secrets, and their Base64 and percent-encoded forms.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut all = Vec::new();
        for secret in secrets
            .into_iter()
            .filter(|secret| secret.len() >= MIN_SECRET_BYTES)
        {
            use base64::Engine as _;
            all.push(base64::engine::general_purpose::STANDARD.encode(&secret));
            // Basic authentication of git: `x-access-token:<token>` in Base64.
            all.push(base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{secret}")));
            let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            all.push(encoded);
            all.push(secret);
        }
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        all.dedup();
        Self {
            secrets: all,
            paths: Vec::new(),
        }
    }

    /// Shows other texts in place of these paths, which name directories of the machine.
    #[must_use]
    pub fn hiding(mut self, paths: impl IntoIterator<Item = (String, &'static str)>) -> Self {
        self.paths.extend(paths);
        self.paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        self
    }

    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), MASK);
            }
        }
        for (path, shown) in &self.paths {
            if text.contains(path.as_str()) {
                text = text.replace(path.as_str(), shown);
            }
        }
        text
    }

    /// Masks what is left of a secret that was cut in two, at the places where bytes were cut out of the text. A text that
    /// was cut before its secrets were masked needs this besides [`Self::redact`].
    pub fn redact_cut(&self, text: &str) -> String {
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text;
        let marks = cut_marks(text);
        let mut copied = 0;
        for mark in &marks {
            let before = &text[copied..mark.start];
            let before = if copied > 0 {
                self.without_end_of_secret(before)
            } else {
                before.into()
            };
            redacted.push_str(&self.without_start_of_secret(&before));
            redacted.push_str(&text[mark.clone()]);
            copied = mark.end;
            rest = &text[copied..];
        }
        if marks.is_empty() {
            // Cut by other rules than ours: most cut the end.
            return self.without_start_of_secret(rest).into_owned();
        }
        redacted.push_str(&self.without_end_of_secret(rest));
        redacted
    }

    /// Without the start of a secret at the end of the text.
    fn without_start_of_secret<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let length = self
            .secrets
            .iter()
            .filter_map(|secret| {
                (MIN_PART_BYTES..secret.len())
                    .rev()
                    .find(|&length| text.as_bytes().ends_with(&secret.as_bytes()[..length]))
            })
            .max();
        match length.and_then(|length| text.get(..text.len() - length)) {
            Some(before) => Cow::Owned(format!("{before}{MASK}")),
            None => Cow::Borrowed(text),
        }
    }

    /// Without the end of a secret at the start of the text.
    fn without_end_of_secret<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let length = self
            .secrets
            .iter()
            .filter_map(|secret| {
                (1..=secret.len().saturating_sub(MIN_PART_BYTES))
                    .find(|&start| text.as_bytes().starts_with(&secret.as_bytes()[start..]))
                    .map(|start| secret.len() - start)
            })
            .max();
        match length.and_then(|length| text.get(length..)) {
            Some(after) => Cow::Owned(format!("{MASK}{after}")),
            None => Cow::Borrowed(text),
        }
    }

    /// Masks secrets in every string of a JSON value, keys included.
    pub fn redact_json(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => *text = self.redact(text),
            serde_json::Value::Array(values) => values.iter_mut().for_each(|value| self.redact_json(value)),
            serde_json::Value::Object(fields) => {
                let old = std::mem::take(fields);
                for (key, mut value) in old {
                    self.redact_json(&mut value);
                    fields.insert(self.redact(&key), value);
                }
            }
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
        }
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Redactor")
            .field("secrets", &self.secrets.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_plain_and_encoded() {
        let redactor = Redactor::new(["ghs_123_a.b+c/d".to_owned()]);
        let base64 = "Z2hzXzEyM19hLmIrYy9k";
        assert_eq!(
            redactor.redact(&format!("a ghs_123_a.b+c/d b {base64} c ghs_123_a.b%2Bc%2Fd")),
            "a *** b *** c ***"
        );
    }

    #[test]
    fn secrets_are_masked_everywhere_in_json() {
        let redactor = Redactor::new(["longsecret".to_owned()]);
        let mut value = serde_json::json!({"longsecret": ["x longsecret", {"a": "longsecret"}], "n": 1});
        redactor.redact_json(&mut value);
        assert_eq!(value, serde_json::json!({"***": ["x ***", {"a": "***"}], "n": 1}));
    }

    #[test]
    fn paths_of_the_machine_are_hidden() {
        let paths = [
            ("/home/ada/w/7", "[workspace]"),
            ("/home/ada/w/7/repository/", ""),
        ];
        let redactor = Redactor::new([]).hiding(paths.map(|(path, shown)| (path.to_owned(), shown)));
        assert_eq!(
            redactor.redact("/home/ada/w/7/repository/src/a.js:3, /home/ada/w/7/tmp, /home/ada"),
            "src/a.js:3, [workspace]/tmp, /home/ada"
        );
    }

    #[test]
    fn both_parts_of_a_secret_that_was_cut_in_two_are_masked() {
        let redactor = Redactor::new(["longsecret-0123456789".to_owned()]);
        let mark = "\n[… 99 bytes left out …]\n";
        for (text, redacted) in [
            (
                format!("a longsecret-{mark}0123456789 b"),
                format!("a ***{mark}*** b"),
            ),
            (format!("a longs{mark}789 b"), format!("a longs{mark}789 b")),
            (format!("x{mark}456789{mark}y"), format!("x{mark}***{mark}y")),
            ("a longsecret".to_owned(), "a ***".to_owned()),
        ] {
            assert_eq!(redactor.redact_cut(&text), redacted);
        }
    }

    #[test]
    fn short_values_do_not_mask_ordinary_words() {
        assert_eq!(
            Redactor::new(["a".to_owned(), String::new()]).redact("a cat"),
            "a cat"
        );
    }
}
