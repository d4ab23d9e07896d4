//! Steps instead of results: "use the `hash` function in utils.ts to …".
//!
//! A result may well name a function ("provide a `parse` function", "add a `limit` option to the `search` method"),
//! so only instructions about what to type where are matched.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::pattern::pattern;

/// A name that occurs only in code: in backticks, in camel or snake case, with a path or with parentheses.
const NAME: &str = r"(?: `[^`\n]+` | [a-z]+[a-z0-9]*[A-Z]\w*(?:\(\))? | \w+_\w+(?:\(\))? | \w+(?:(?:\.|::)\w+)*\(\) | \w+::\w+ )";

/// What such a name names.
const THING: &str = r"(?: function | method | hook | helper | constructor | macro | decorator | variable | class | struct | trait )";

/// A file, by path or by name.
const FILE: &str = r"`? [\w@./\-]* \w \. (?: [cm]?[jt]sx? | rs | py | go | rb | java | kt | swift | cc? | h | cpp | hpp | cs | php | scala | vue | svelte | dart ) \b `?";

/// The beginning of a clause, where a verb is imperative.
const CLAUSE: &str = r"(?: ^ | [.;:,(] \s+ | \b (?i: then | and | must | should | please | to | by ) \s+ )";

static INSTRUCTIONS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let article = r"(?: (?: the | an? | existing | our ) \s+ )*";
    [
        // Use the `hashPassword` function; refactor the `login` method.
        format!(r"{CLAUSE} (?i: use | using | call | calling | invoke | modify | edit | change | refactor | override ) \s+ {article} {NAME} \s+ {THING} \b"),
        // Use the hash function in utils.ts.
        format!(r"{CLAUSE} (?i: use | using | call | calling | invoke | modify | edit | change ) \s+ {article} [\w\-]+ \s+ {THING} \s+ (?: in | from | of ) \s+ (?: the \s+ )? {FILE}"),
        // Call createUser().
        format!(r"{CLAUSE} (?i: call | calling | invoke | invoking ) \s+ {article} `? \w+ (?: (?: \. | :: ) \w+ )* \( [^)\n]* \) `?"),
        // Change line 42.
        r"\b (?i: change | edit | modify | update | delete | remove | replace | comment \s+ out ) \s+ (?: the \s+ )? (?i: lines? ) \s+ \d+".to_owned(),
        r"\b (?i: add | insert | paste ) \s+ .{1,60} \s (?: at | on | after | before | below | above ) \s+ (?i: line ) \s+ \d+".to_owned(),
        // Import { z } from 'zod'; import `User` from `models`; add an import for fs.
        r#"\b (?i: import ) \s+ (?: \{ | \* \s+ as \b | [`\w]+ \s+ from \s+ ['"`] )"#.to_owned(),
        format!(r"{CLAUSE} (?i: import ) \s+ {article} {NAME} \s+ (?: from \b | {THING} \b | module \b | package \b )"),
        r"\b (?i: add ) \s+ (?: an? | the ) \s+ (?: missing \s+ | new \s+ )? import (?: \s+ statement )? \s+ (?: for | of | to | from | at | in ) \b".to_owned(),
        // Rename variable x to y.
        format!(r"{CLAUSE} (?i: rename ) \s+ (?: the \s+ )? (?: local \s+ )? (?: variable | function | method | parameter | argument | constant | struct | identifier ) s? \b"),
        format!(r"{CLAUSE} (?i: rename ) \s+ {article} `? [a-z]+[A-Z]\w* `? \s+ to \b"),
        // In src/auth.ts, replace …; in the `login` function, add …
        format!(r"{CLAUSE} (?i: in | inside | within ) \s+ (?: the \s+ )? (?: file \s+ )? {FILE} \s* [,:]? \s+ (?i: change | replace | add | edit | modify | remove | delete | insert | import | call | wrap | move | rename | use | update ) \b"),
        format!(r"{CLAUSE} (?i: in | inside | within ) \s+ {article} {NAME} \s+ {THING} \s* ,? \s+ (?i: change | replace | add | edit | modify | remove | delete | insert | call | wrap | move | rename | use | update ) \b"),
        // Open auth.ts and …
        format!(r"{CLAUSE} (?i: open | go \s+ to | navigate \s+ to ) \s+ (?: the \s+ )? (?: file \s+ )? {FILE}"),
        // Wrap it in a try/catch; use a for loop; add an if statement.
        r"\b (?i: use | add | with | write | in | inside | insert | wrap ) \s+ an? \s+ (?: (?: for | while | foreach | do-while ) [\s\-] loop | (?: if | switch ) [\s\-] (?: statement | block ) | try [\s/\-]* (?: catch | except ) ) \b".to_owned(),
        // Declare a variable called retries.
        r"\b (?i: create | declare | add | introduce | define ) \s+ an? \s+ (?: (?: new | local | global | boolean | static | private ) \s+ )* variable \s+ (?: called \b | named \b | ` )".to_owned(),
        // Copy the code from …
        r"\b (?i: copy (?: [\s\-] and [\s\-] paste | [\s\-] paste )? ) \s+ (?: the \s+ )? (?: code | implementation | function | snippet ) \s+ (?: from | in | of ) \b".to_owned(),
    ]
    .iter()
    .map(|rule| pattern(&format!("(?x) {rule}")))
    .collect()
});

pub(super) fn instructions(text: &str) -> Vec<Range<usize>> {
    INSTRUCTIONS
        .iter()
        .flat_map(|rule| rule.find_iter(text))
        .map(|found| found.range())
        .collect()
}
