//! Path templates such as `/repos/{owner}/{repo}` as regular expressions.

use regex::Regex;

/// Compiles a template. `{name}` matches one segment or a part of it, `{*name}` any number of segments.
///
/// # Panics
/// The template is malformed.
#[track_caller]
pub(crate) fn compile(template: &str) -> Regex {
    let group = |name: &str| if name.starts_with('*') { ".+" } else { "[^/]+" }.to_owned();
    match compile_with(template, group) {
        Some(pattern) => pattern,
        None => panic!("`{template}` is not a path template"),
    }
}

/// Compiles a template in which each name becomes the group that `group` returns for it; `None` if it is malformed.
pub(crate) fn compile_with(template: &str, group: impl Fn(&str) -> String) -> Option<Regex> {
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
