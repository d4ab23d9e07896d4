//! Rules about the text of single files.

use std::path::Path;

use regex::Regex;

use super::finding::{Finding, Rule};
use crate::workspace::SourceFile;

/// Split, so that this file has no finding itself.
const OPEN_ENDS: &str = concat!(r"\b(TO", "DO|FIX", "ME|X", r"XX)\b");

const ISSUE_NUMBER: &str = r"#\d+";

/// Directories of single machines, besides that of this workspace.
const MACHINE_PATHS: &str = concat!("/work/", r"(main|shared)\b|/User", r"s/\w+/");

/// A shell as the name of a program.
const SHELLS: &str = r#""(/bin/|/usr/bin/)?(ba|da|z)?sh""#;

/// The one file that names a shell: commands of a repository's policy are shell commands.
const SHELL_FILE: &str = "crates/whim-worker/src/checks/shell.rs";

/// Queries whose text is built at run time.
const BUILT_SQL: &str =
    r"\bAssertSqlSafe\b|\b(query|query_as|query_scalar|raw_sql|execute|fetch_\w+)(::<[^>]*>)?\(\s*&?format!";

const WEB_TYPES: &str = r"\baxum\b";

/// Files in which an open end needs an issue.
const CODE: [&str; 11] = [
    "rs", "sh", "sql", "lua", "ts", "tsx", "css", "html", "toml", "yml", "yaml",
];

pub(crate) fn findings(sources: &[SourceFile], root: &Path) -> anyhow::Result<Vec<Finding>> {
    let rules = TextRules::new(root)?;
    Ok(sources.iter().flat_map(|file| rules.check(file)).collect())
}

struct TextRules {
    open_end: Regex,
    issue_number: Regex,
    machine_path: Regex,
    shell: Regex,
    built_sql: Regex,
    web_types: Regex,
}

impl TextRules {
    fn new(root: &Path) -> Result<Self, regex::Error> {
        let root = regex::escape(&root.to_string_lossy());
        Ok(Self {
            open_end: Regex::new(OPEN_ENDS)?,
            issue_number: Regex::new(ISSUE_NUMBER)?,
            // Not in the middle of a longer path, such as a route of the API.
            machine_path: Regex::new(&format!(r"(^|[^\w/])({MACHINE_PATHS}|{root}\b)"))?,
            shell: Regex::new(SHELLS)?,
            built_sql: Regex::new(BUILT_SQL)?,
            web_types: Regex::new(WEB_TYPES)?,
        })
    }

    fn check(&self, file: &SourceFile) -> Vec<Finding> {
        let path = file.path.as_str();
        let mut findings = Vec::new();
        if path.ends_with("/mod.rs") {
            let what = "name the file after its module, next to the module's directory";
            findings.push(Finding::new(path, 1, Rule::ModuleFile, what));
        }
        let is_rust = path.ends_with(".rs");
        let is_code = CODE
            .iter()
            .any(|extension| path.ends_with(&format!(".{extension}")));
        let is_test_module = path.ends_with("/tests.rs") || path.contains("/tests/");
        let is_library = is_rust && path.starts_with("crates/") && path.contains("/src/") && !is_test_module;
        let library_lines = if is_library {
            lines_before_tests(&file.text)
        } else {
            0
        };
        let is_web_free = path.starts_with("crates/whim-orchestrator/src/")
            && !path.starts_with("crates/whim-orchestrator/src/http");
        for (index, line) in file.text.lines().enumerate() {
            let mut report = |rule, what: &str| findings.push(Finding::new(path, index + 1, rule, what));
            if is_code && self.open_end.is_match(line) && !self.issue_number.is_match(line) {
                report(Rule::OpenEnd, "do it, or name an issue (`#12`)");
            }
            if path != "Cargo.lock" && self.machine_path.is_match(line) {
                report(
                    Rule::MachinePath,
                    "it exists on one machine only: compute or remove it",
                );
            }
            if index >= library_lines || line.trim_start().starts_with("//") {
                continue;
            }
            if path != SHELL_FILE && self.shell.is_match(line) {
                report(
                    Rule::Shell,
                    "start the program directly, with a list of arguments",
                );
            }
            if self.built_sql.is_match(line) {
                report(
                    Rule::BuiltSql,
                    "write the query as one literal with parameters, checked by `query!`",
                );
            }
            if is_web_free && self.web_types.is_match(line) {
                report(Rule::WebTypes, "use axum below http/ only");
            }
        }
        findings
    }
}

/// The number of lines before the test module at the end of the file.
fn lines_before_tests(text: &str) -> usize {
    let code = text
        .split_once("#[cfg(test)]\nmod tests {")
        .map_or(text, |(code, _)| code);
    code.lines().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules that one line breaks in the file `path`.
    fn broken(path: &str, line: &str) -> Vec<Rule> {
        let rules = TextRules::new(Path::new("/home/someone/whim")).unwrap();
        let file = SourceFile {
            path: path.to_owned(),
            text: format!("{line}\n"),
        };
        rules
            .check(&file)
            .into_iter()
            .map(|finding| finding.rule)
            .collect()
    }

    const SOURCE: &str = "crates/whim-worker/src/git.rs";

    #[test]
    fn an_open_end_names_an_issue() {
        let todo = concat!("TO", "DO");
        assert_eq!(
            broken("scripts/a.sh", &format!("# {todo}: later")),
            [Rule::OpenEnd]
        );
        assert_eq!(broken(SOURCE, &format!("// {todo}(#12): later")), []);
        assert_eq!(broken("README.md", &format!("# {todo} list")), []);
        assert_eq!(broken("scripts/a.sh", "mktemp -d XXXXXX"), []);
    }

    #[test]
    fn paths_of_one_machine_are_found_everywhere() {
        assert_eq!(
            broken("README.md", concat!("see /work/", "shared/notes.md")),
            [Rule::MachinePath]
        );
        assert_eq!(broken("docs/a.md", "cd /home/someone/whim"), [Rule::MachinePath]);
        assert_eq!(
            broken("a.toml", concat!("path = \"/User", "s/me/x\"")),
            [Rule::MachinePath]
        );
        assert_eq!(broken("README.md", "POST /api/work/main-thing"), []);
        assert_eq!(broken(SOURCE, r#".route("/work/{id}", get(work))"#), []);
    }

    #[test]
    fn programs_start_no_shell() {
        assert_eq!(broken(SOURCE, r#"Command::new("sh")"#), [Rule::Shell]);
        assert_eq!(broken(SOURCE, r#"CommandSpec::new("/bin/bash")"#), [Rule::Shell]);
        assert_eq!(broken(SOURCE, r#"CommandSpec::new("git").arg("show")"#), []);
        assert_eq!(
            broken("crates/whim-worker/tests/it/git.rs", r#"Command::new("sh")"#),
            []
        );
    }

    #[test]
    fn the_test_module_of_a_file_is_a_test() {
        let rules = TextRules::new(Path::new("/home/someone/whim")).unwrap();
        let text = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() { Command::new(\"sh\"); }\n}\n";
        let file = SourceFile {
            path: SOURCE.to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(rules.check(&file), []);
        assert_eq!(
            broken("crates/whim-worker/src/git/tests.rs", r#"Command::new("sh")"#),
            []
        );
    }

    #[test]
    fn queries_are_not_built() {
        assert_eq!(
            broken(SOURCE, r#"sqlx::query(&format!("select {x}"))"#),
            [Rule::BuiltSql]
        );
        assert_eq!(
            broken(SOURCE, r#"sqlx::query_as::<_, Row>(AssertSqlSafe(text))"#),
            [Rule::BuiltSql]
        );
        assert_eq!(broken(SOURCE, r#"sqlx::query!("select $1", format!("{x}"))"#), []);
    }

    #[test]
    fn web_types_stay_under_http() {
        let line = "use axum::Json;";
        assert_eq!(
            broken("crates/whim-orchestrator/src/work/submit.rs", line),
            [Rule::WebTypes]
        );
        assert_eq!(broken("crates/whim-orchestrator/src/http/work.rs", line), []);
        assert_eq!(broken("crates/whim-orchestrator/src/http.rs", line), []);
        assert_eq!(
            broken("crates/whim-orchestrator/src/work/submit.rs", "// no axum here"),
            []
        );
    }

    #[test]
    fn a_module_has_a_file_of_its_own_name() {
        assert_eq!(broken("crates/a/src/work/mod.rs", ""), [Rule::ModuleFile]);
        assert_eq!(broken("crates/a/src/work.rs", ""), []);
    }
}
