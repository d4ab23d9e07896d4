//! Credentials in text that is about to be published: those of Whim in any form that an agent may give them, and tokens of
//! usual services.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use regex::Regex;

/// A part of this length of a credential is as good as the whole: it is hardly guessed, and half of a credential contains one.
const PART: usize = 16;
/// Shorter values could be ordinary words.
const MIN_SECRET: usize = 8;
/// In bits per character. Placeholders such as `ghp_xxxx…` and `sk-ant-your-key-here` have less.
const MIN_ENTROPY: f64 = 3.5;

/// Credentials of Whim: in plain, Base64, hexadecimal or percent-encoded form, whole or in parts, with anything but letters and
/// digits in between.
#[derive(Clone, Debug)]
pub struct OwnSecrets {
    /// Of text as it is, and of text without anything but letters and digits.
    parts: Option<[Regex; 2]>,
}

impl OwnSecrets {
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut plain = BTreeSet::new();
        let mut squeezed = BTreeSet::new();
        for secret in secrets.into_iter().filter(|secret| secret.len() >= MIN_SECRET) {
            for form in forms(random_part(secret)) {
                plain.extend(parts(&form));
                squeezed.extend(
                    parts(&squeeze(&form))
                        .into_iter()
                        .filter(|part| part.len() >= PART),
                );
            }
        }
        let alternatives = |parts: BTreeSet<String>| {
            let escaped: Vec<String> = parts.iter().map(|part| regex::escape(part)).collect();
            (!escaped.is_empty())
                .then(|| Regex::new(&escaped.join("|")).ok())
                .flatten()
        };
        Self {
            parts: alternatives(plain).map(|plain| {
                let squeezed = alternatives(squeezed).unwrap_or_else(|| plain.clone());
                [plain, squeezed]
            }),
        }
    }

    pub(super) fn are_in(&self, text: &str) -> bool {
        self.parts
            .as_ref()
            .is_some_and(|[plain, squeezed]| plain.is_match(text) || squeezed.is_match(&squeeze(text)))
    }
}

/// What all credentials of a kind have in common, such as `sk-ant-api03-`, or the header and claims of a JSON Web Token.
static COMMON: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(?:sk-ant-[a-z]+\d+-|github_pat_[A-Za-z0-9]+_|gh[a-z]_[^.]+\.[^.]+\.|gh[a-z]_|[^.]+\.[^.]+\.)",
    )
    .ok()
});

/// The part of a secret that is in no placeholder, if that is long enough.
fn random_part(secret: &str) -> &str {
    let common = COMMON.as_ref().and_then(|common| common.find(secret));
    let rest = common.map_or(secret, |common| &secret[common.end()..]);
    if rest.len() < 2 * PART { secret } else { rest }
}

/// The encodings of a secret. In Base64 it depends on the position in the encoded text.
fn forms(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        secret.to_owned(),
        secret.chars().rev().collect(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        hex.to_uppercase(),
        hex,
    ];
    // The first and the last characters depend on what stands beside the secret.
    for (before, unknown) in [("", 0), ("x", 2), ("xx", 3)] {
        let encoded = STANDARD_NO_PAD.encode(format!("{before}{secret}"));
        let known = encoded.get(unknown..encoded.len().saturating_sub(2));
        forms.extend(known.map(str::to_owned));
        forms.extend(known.map(|text| text.replace('+', "-").replace('/', "_")));
    }
    forms
}

/// Consecutive parts, which together are the whole text. A text of less than two parts is one.
fn parts(text: &str) -> Vec<String> {
    if text.len() < 2 * PART {
        return vec![text.to_owned()];
    }
    text.as_bytes()
        .chunks(PART)
        .filter(|part| part.len() == PART)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect()
}

/// Without anything but letters and digits, and without the mark of hexadecimal bytes in strings.
fn squeeze(text: &str) -> String {
    let text = text.replace("\\x", "");
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// What the tokens of usual services look like, from the services' documentation.
static TOKENS: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    [
        (
            "a GitHub token",
            r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{60,255})",
        ),
        ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
        ("an Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{40,}"),
        ("an OpenAI key", r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{40,}"),
        ("an AWS access key", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
        ("a Google API key", r"\bAIza[A-Za-z0-9_-]{35}\b"),
        ("a Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{20,}"),
        ("a Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{24,}"),
        ("an npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
        ("a PyPI token", r"\bpypi-[A-Za-z0-9_-]{50,}"),
        ("a SendGrid key", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b"),
    ]
    .into_iter()
    .filter_map(|(name, pattern)| Some((name, Regex::new(pattern).ok()?)))
    .collect()
});

/// The kind of a token in a line, if there is one that is no placeholder.
pub(super) fn token_in(line: &str) -> Option<&'static str> {
    TOKENS.iter().find_map(|(name, pattern)| {
        pattern
            .find_iter(line)
            .any(|found| is_random(found.as_str()))
            .then_some(*name)
    })
}

/// Whether a value is a token of a usual service, or has as many random letters and digits in a row as a credential. Words, paths
/// and addresses have not.
pub(crate) fn looks_random(value: &str) -> bool {
    let mut runs = value.split(|character: char| !character.is_ascii_alphanumeric());
    token_in(value).is_some() || runs.any(|run| run.len() >= PART && is_random(run))
}

fn is_random(token: &str) -> bool {
    let upper = token.to_uppercase();
    entropy(token) >= MIN_ENTROPY
        && token.contains(|character: char| character.is_ascii_digit())
        && !upper.contains("EXAMPLE")
        && !upper.contains("PLACEHOLDER")
}

/// Of the characters, in bits per character.
fn entropy(text: &str) -> f64 {
    let mut counts: HashMap<char, u32> = HashMap::new();
    for character in text.chars() {
        *counts.entry(character).or_default() += 1;
    }
    let total: f64 = counts.values().map(|count| f64::from(*count)).sum();
    let bits = |count: u32| {
        let share = f64::from(count) / total;
        -share * share.log2()
    };
    counts.into_values().map(bits).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "sk-ant-api03-Zr9_kQ2vX7pLm4Tn8Wy1Hd6Js3Bf5Gc0Ra-EuKiOoPq";

    #[test]
    fn a_secret_is_found_in_every_form() {
        let secrets = OwnSecrets::new([SECRET]);
        let base64 = |before: &str| STANDARD_NO_PAD.encode(format!("{before}{SECRET} and more"));
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            format!("key = {SECRET}"),
            base64(""),
            base64("x"),
            base64("xy"),
            base64("x-access-token:"),
            hex.clone(),
            hex.to_uppercase(),
            hex.as_bytes()
                .chunks(2)
                .map(|pair| format!("\\x{}", String::from_utf8_lossy(pair)))
                .collect(),
            SECRET.replace('-', "%2D").replace('_', "%5F"),
            SECRET.chars().rev().collect(),
            SECRET.chars().map(|character| format!("{character} ")).collect(),
            SECRET
                .chars()
                .map(|character| format!("'{character}' +\n"))
                .collect(),
            format!("{}\u{1b}[0m{}", &SECRET[..30], &SECRET[30..]),
            format!("\"{}\",\n+    \"{}\"", &SECRET[..25], &SECRET[25..]),
            // Cut.
            SECRET[..40].to_owned(),
            SECRET[20..].to_owned(),
        ] {
            assert!(secrets.are_in(&text), "{text}");
        }
    }

    #[test]
    fn what_credentials_have_in_common_is_no_secret() {
        let signature = "Zr9_kQ2vX7pLm4Tn8Wy1Hd6Js3Bf5Gc0RaEuKiOoPq";
        let header = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";
        for (secret, common) in [
            (format!("ghs_{header}.eyJpc3MiOiJnaXRodWIifQ.{signature}"), header),
            (format!("sk-ant-api03-{signature}"), "sk-ant-api03-"),
            (
                format!("github_pat_11ABCDEFG0abcdefg_{signature}"),
                "github_pat_11ABCDEFG0abcdefg",
            ),
        ] {
            let secrets = OwnSecrets::new([secret.as_str()]);
            assert!(secrets.are_in(&format!("x {secret}")));
            assert!(
                !secrets.are_in(&format!("{common} {}", STANDARD_NO_PAD.encode(common))),
                "{common}"
            );
        }
    }

    #[test]
    fn other_text_is_no_secret() {
        let secrets = OwnSecrets::new([SECRET, "short"]);
        for text in ["sk-ant-api03-", "short", "", "Zr9_kQ2v", &"sk-ant-".repeat(20)] {
            assert!(!secrets.are_in(text), "{text}");
        }
        assert!(!OwnSecrets::new([]).are_in("anything"));
    }

    #[test]
    fn tokens_of_usual_services_are_distinguished_from_placeholders() {
        for (line, kind) in [
            (
                "token: ghp_wW3kX9zQ2vB7nM4tR8yL1hD6jS5fG0cAEuKi",
                Some("a GitHub token"),
            ),
            (
                "ghs_wW3kX9zQ2vB7nM4tR8yL1hD6jS5fG0cAEuKiwW3kX9zQ2vB7nM4tR8yL",
                Some("a GitHub token"),
            ),
            (
                "KEY='sk-ant-api03-Zr9_kQ2vX7pLm4Tn8Wy1Hd6Js3Bf5Gc0Ra-EuKi'",
                Some("an Anthropic key"),
            ),
            ("AKIAQ3EGXN7PLM2VTRZA", Some("an AWS access key")),
            ("npm_wW3kX9zQ2vB7nM4tR8yL1hD6jS5fG0cAEuKi", Some("an npm token")),
            ("ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", None),
            ("AKIAIOSFODNN7EXAMPLE", None),
            ("sk-ant-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", None),
            ("a mask-antelope and a task-force", None),
            (
                "integrity sha512-wW3kX9zQ2vB7nM4tR8yL1hD6jS5fG0cAEuKiwW3kX9zQ2vB7nM4tR8yL==",
                None,
            ),
        ] {
            assert_eq!(token_in(line), kind, "{line}");
        }
    }
}
