//! Paths with names in braces, as patterns.

use regex::Regex;

/// Turns `/repos/{owner}/{*rest}` into a pattern: `{name}` is one segment or a part of it, `{*name}` any number.
pub(super) fn compile(template: &str) -> Option<Regex> {
    compile_with(template, |name| {
        if name.starts_with('*') { ".+" } else { "[^/]+" }.to_owned()
    })
}

/// Turns a template into a pattern, in which each name becomes the group that is given for it.
pub(super) fn compile_with(template: &str, group: impl Fn(&str) -> String) -> Option<Regex> {
    let mut pattern = String::from("^");
    let mut rest = template;
    while let Some((fixed, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        pattern.push_str(&regex::escape(fixed));
        pattern.push_str(&group(name));
        rest = after;
    }
    pattern.push_str(&regex::escape(rest));
    pattern.push('$');
    Regex::new(&pattern).ok()
}
