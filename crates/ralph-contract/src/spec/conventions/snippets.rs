//! Inline code that is a piece of a program rather than a name, a path or an endpoint.

use std::sync::LazyLock;

use regex::Regex;

use super::pattern::pattern;

static CODE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?xs)
        ^ \s* (?:
            (?: export \s+ )? (?: const | let | var ) \s+ [\w\{\[] .* =
          | (?: export \s+ )? (?: async \s+ )? function \b .* \(
          | (?: pub (?: \( \w+ \) )? \s+ )? (?: async \s+ )? fn \s+ \w+
          | (?: async \s+ )? def \s+ \w+ \s* \(
          | func \s+ (?: \( | \w+ \( )
          | (?: export \s+ )? class \s+ \w+ .* [\{:(]
          | import \s+ (?: \{ | \* | .+ \s from \s | ['\x22] )
          | from \s+ \S+ \s+ import \s
          | use \s+ \w+ (?: :: [\w\{*] .* )+ ;?
          | \# include \b
          | (?: return | await | throw ) \s+ \S+
          | (?: if | for | while | switch ) \s* \( .* \)
          | (?i: select \s .* \s from \s | insert \s+ into \s | update \s .* \s set \s | delete \s+ from \s
               | (?: create | alter | drop ) \s+ (?: table | index ) \s )
        )
        | [\w)\]] \s* => \s* [\w(\{\[]
        | [\w)\]] \s* (?: === | !== | \|\| | && ) \s* [\w(!'\x22]
        | [(=] .* ; \s* $",
    )
});

/// Whether a piece of inline code is a snippet.
pub(super) fn is_code(code: &str) -> bool {
    CODE.is_match(code)
}
