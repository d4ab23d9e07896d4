//! Masks known secrets and paths of the machine in text that leaves a process.

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
    fn short_values_do_not_mask_ordinary_words() {
        assert_eq!(
            Redactor::new(["a".to_owned(), String::new()]).redact("a cat"),
            "a cat"
        );
    }
}
