//! JSON text with escapes of lone surrogates, which JavaScript programs write and no Unicode text can hold.

use std::borrow::Cow;

/// Replaces the escapes of lone surrogates with the replacement character. Otherwise the text is unchanged, whether it is
/// JSON or not.
pub fn without_lone_surrogates(json: &str) -> Cow<'_, str> {
    let mut fixed = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(backslash) = json[at..].find('\\').map(|offset| at + offset) {
        at = match escape_at(json, backslash) {
            Some(0xD800..=0xDBFF) if matches!(escape_at(json, backslash + 6), Some(0xDC00..=0xDFFF)) => {
                backslash + 12
            }
            Some(0xD800..=0xDFFF) => {
                fixed.push_str(&json[copied..backslash]);
                fixed.push_str("\\ufffd");
                copied = backslash + 6;
                copied
            }
            Some(_) => backslash + 6,
            // Another escape, such as `\\`: what follows the escaped character is no part of it.
            None => json.ceil_char_boundary(backslash + 2),
        };
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    fixed.push_str(&json[copied..]);
    Cow::Owned(fixed)
}

/// The code unit of the escape `\uXXXX` at this place.
fn escape_at(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lone_surrogates_are_replaced() {
        for (json, fixed) in [
            (r#""\ud800""#, r#""\ufffd""#),
            (r#""a\uDFFFb\ud83e\udd80""#, r#""a\ufffdb\ud83e\udd80""#),
            (r#""\ud83e\ud83e\udd80""#, r#""\ufffd\ud83e\udd80""#),
            (r#""\\ud800 \u00e9 \n""#, r#""\\ud800 \u00e9 \n""#),
            (r#""\ud8"#, r#""\ud8"#),
            ("no \\", "no \\"),
            ("\\é\\ud800", "\\é\\ufffd"),
        ] {
            assert_eq!(without_lone_surrogates(json), fixed);
        }
    }
}
