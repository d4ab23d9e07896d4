//! The content security policy of the page (docs/attacks.md, row 26).

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use sha2::{Digest as _, Sha256};

/// Nothing is loaded from elsewhere, and no inline script runs but those of the built page.
pub(super) fn for_page(html: &str) -> HeaderValue {
    let scripts = hashes(html, r"(?is)<script\b([^>]*)>(.*?)</script>");
    let styles = hashes(html, r"(?is)<style\b([^>]*)>(.*?)</style>");
    let policy = format!(
        "default-src 'none'; script-src 'self'{scripts}; style-src 'self'{styles}; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; report-uri /csp-report"
    );
    // Hashes are base64.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// The hashes of inline elements, each after a space.
fn hashes(html: &str, element: &str) -> String {
    let Ok(element) = Regex::new(element) else {
        return String::new();
    };
    element
        .captures_iter(html)
        .filter(|found| !found[1].to_ascii_lowercase().contains("src=") && !found[2].is_empty())
        .map(|found| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(&found[2]))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_inline_elements_allows_files_of_this_host_only() {
        let html = r#"<script type="module" crossorigin src="/assets/index-DiwrgTda.js"></script>"#;
        let policy = for_page(html);
        let policy = policy.to_str().unwrap();
        assert!(policy.contains("script-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn inline_scripts_of_the_built_page_are_allowed_by_their_hash() {
        let policy = for_page("<SCRIPT>doSomething();</SCRIPT><style>p { margin: 0 }</style>");
        let policy = policy.to_str().unwrap();
        // From the example of the specification of content security policies.
        let expected = "script-src 'self' 'sha256-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc=';";
        assert!(policy.contains(expected), "{policy}");
        assert!(policy.contains("style-src 'self' 'sha256-"), "{policy}");
    }
}
