//! Settings: the code, `.env.example`, the README and `docs/settings.md` name the same ones, with the same defaults.
//!
//! Defaults in code are compared by a test of each program, which can ask the program for them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use regex::Regex;

use super::finding::{Finding, Rule};
use crate::workspace::SourceFile;

const README: &str = "README.md";
const TUNING: &str = "docs/settings.md";
const TEMPLATE: &str = ".env.example";
const COMPOSE: &str = "docker/docker-compose.yml";

/// The README lists what most installations need, and no more.
const MAX_IN_README: usize = 40;

/// Variables that programs read and that are no settings: the machine's own, and what the orchestrator sets for its
/// workers.
const OF_THE_MACHINE: [&str; 10] = [
    "CREDENTIALS_DIR",
    "EGRESS_PROXY_URL",
    "GITHUB_HOST",
    "HOME",
    "IS_SANDBOX",
    "PATH",
    "PROTECT_MEMORY",
    "WORKER_ID",
    "WORKSPACE_DIR",
    "XDG_STATE_HOME",
];

/// Variables of the compose file that only a build of the images needs; docs/docker.md describes them.
const OF_THE_BUILD: [&str; 8] = [
    "CARGO_PROFILE",
    "DEBIAN_IMAGE",
    "NODE_IMAGE",
    "POSTGRES_IMAGE",
    "PULL_POLICY",
    "REDIS_IMAGE",
    "RUST_IMAGE",
    "WHIM_VERSION",
];

/// Read by Docker Compose itself, and by the telemetry unless `RUST_LOG` is set.
const READ_ELSEWHERE: [&str; 2] = ["COMPOSE_PROFILES", "LOG_LEVEL"];

/// How code names a setting: the first argument of a method of `Environment`, or of a helper for a kind of setting.
const READ_IN_CODE: &str = concat!(
    r"\b(?:required|required_secret|optional|or_default|list|secret|url_or_default|duration|read)",
    r#"\s*\(\s*(?:env\s*,\s*)?(?:\[\s*)?"([A-Z][A-Z0-9_]*)"(?:\s*,\s*"([A-Z][A-Z0-9_]*)")?"#
);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Documented {
    path: &'static str,
    line: usize,
    /// `None` where there is none, or it depends on something.
    default: Option<String>,
}

pub(crate) fn findings(sources: &[SourceFile]) -> anyhow::Result<Vec<Finding>> {
    let text_of = |path: &str| {
        sources
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.text.as_str())
            .with_context(|| format!("finding {path}"))
    };
    let mut findings = Vec::new();
    let mut documented = BTreeMap::new();
    let mut in_readme = 0;
    for path in [README, TUNING] {
        for (name, setting) in table_rows(path, text_of(path)?)? {
            in_readme += usize::from(path == README);
            let line = setting.line;
            if let Some(other) = documented.insert(name.clone(), setting) {
                let what = format!("{name} is in {} too: keep one of the two", other.path);
                findings.push(Finding::new(path, line, Rule::Setting, what));
            }
        }
    }
    if in_readme > MAX_IN_README {
        let what = format!(
            "{in_readme} settings: move those that few installations need to {TUNING}; {MAX_IN_README} are the limit"
        );
        findings.push(Finding::new(README, 1, Rule::Setting, what));
    }
    findings.extend(compare_with_template(&documented, text_of(TEMPLATE)?)?);
    findings.extend(compare_with_code(&documented, sources, text_of(COMPOSE)?)?);
    Ok(findings)
}

/// The rows of all tables of settings: `| NAME | default | meaning |`, with the name as code.
fn table_rows(path: &'static str, text: &str) -> anyhow::Result<Vec<(String, Documented)>> {
    let row = Regex::new(r"^\| `([A-Z][A-Z0-9_]*)` \| ([^|]*) \| [^|]+ \|$")?;
    let code = Regex::new("^`([^`]*)`$")?;
    Ok(text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let row = row.captures(line)?;
            let setting = Documented {
                path,
                line: index + 1,
                default: code.captures(&row[2]).map(|code| code[1].to_owned()),
            };
            Some((row[1].to_owned(), setting))
        })
        .collect())
}

fn compare_with_template(
    documented: &BTreeMap<String, Documented>,
    template: &str,
) -> anyhow::Result<Vec<Finding>> {
    let assignment = Regex::new("^#?([A-Z][A-Z0-9_]*)=(.*)$")?;
    let mut findings = Vec::new();
    let mut named = BTreeSet::new();
    for (index, line) in template.lines().enumerate() {
        let Some(assignment) = assignment.captures(line) else {
            continue;
        };
        let (name, value) = (&assignment[1], &assignment[2]);
        named.insert(name.to_owned());
        let mut report = |what: String| {
            findings.push(Finding::new(TEMPLATE, index + 1, Rule::Setting, what));
        };
        match documented.get(name) {
            None => report(format!("{name} is neither in {README} nor in {TUNING}")),
            // What is not commented out is a proposal.
            Some(setting) if line.starts_with('#') && setting.default.as_deref().unwrap_or("") != value => {
                let default = setting.default.as_deref().unwrap_or("none");
                report(format!(
                    "{name} is `{value}`, and its default in {} is `{default}`",
                    setting.path
                ));
            }
            Some(_) => {}
        }
    }
    for (name, setting) in documented.iter().filter(|(name, _)| !named.contains(*name)) {
        let what = format!("{name} is missing in {TEMPLATE}");
        findings.push(Finding::new(setting.path, setting.line, Rule::Setting, what));
    }
    Ok(findings)
}

fn compare_with_code(
    documented: &BTreeMap<String, Documented>,
    sources: &[SourceFile],
    compose: &str,
) -> anyhow::Result<Vec<Finding>> {
    let read_in_code = Regex::new(READ_IN_CODE)?;
    let substituted = Regex::new(r"\$\{([A-Z][A-Z0-9_]*)")?;
    let mut known: BTreeSet<String> = READ_ELSEWHERE.map(str::to_owned).into();
    let mut findings = Vec::new();
    let mut use_of = |path: &str, line: usize, name: &str| {
        known.insert(name.to_owned());
        if !documented.contains_key(name) {
            let what = format!("{name} is neither in {README} nor in {TUNING}");
            findings.push(Finding::new(path, line, Rule::Setting, what));
        }
    };
    let is_program =
        |path: &str| path.starts_with("crates/whim-") && path.contains("/src/") && path.ends_with(".rs");
    for file in sources.iter().filter(|file| is_program(&file.path)) {
        let code = before_tests(&file.text);
        for found in read_in_code.captures_iter(code) {
            for name in found.iter().skip(1).flatten() {
                if !OF_THE_MACHINE.contains(&name.as_str()) {
                    use_of(&file.path, line_of(code, name.start()), name.as_str());
                }
            }
        }
    }
    for found in substituted.captures_iter(compose) {
        if let Some(name) = found.get(1)
            && !OF_THE_BUILD.contains(&name.as_str())
        {
            use_of(COMPOSE, line_of(compose, name.start()), name.as_str());
        }
    }
    for (name, setting) in documented.iter().filter(|(name, _)| !known.contains(*name)) {
        let what = format!("no program reads {name}: take it out");
        findings.push(Finding::new(setting.path, setting.line, Rule::Setting, what));
    }
    Ok(findings)
}

/// Examples in doc comments and tests name settings that there are not.
fn before_tests(text: &str) -> &str {
    text.split_once("#[cfg(test)]").map_or(text, |(code, _)| code)
}

fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| Variable | Default | Meaning |\n|---|---|---|\n| `PORT` | `3002` | Port |\n| `REPOS` | required | Repositories |\n";
    const CODE: &str = r#"
        let port = env.or_default("PORT", 3002, whole_number());
        let repos = env.required(
            "REPOS",
            repos(),
        );
        let home = env.optional("HOME", path());
        let limits = PerRepository::read(env, ["LIMIT", "LIMIT_OVERRIDES"], 9);
    "#;
    const TUNING_TABLE: &str = "| `LIMIT` | none | Limit |\n| `LIMIT_OVERRIDES` | none | Exceptions |\n| `SOCKET` | `/s` | Socket |\n";
    const TEMPLATE_TEXT: &str = "REPOS=\n#PORT=3002\n#LIMIT=\n#LIMIT_OVERRIDES=\n#SOCKET=/s\n";
    const COMPOSE_TEXT: &str = "image: ${RUST_IMAGE:-rust}\nvolume: ${SOCKET:-/s}\n";

    fn found(readme: &str, tuning: &str, template: &str, code: &str) -> Vec<String> {
        let files = [
            (README, readme),
            (TUNING, tuning),
            (TEMPLATE, template),
            (COMPOSE, COMPOSE_TEXT),
            ("crates/whim-a/src/config.rs", code),
        ];
        let sources = files.map(|(path, text)| SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        });
        findings(&sources)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn settings_that_agree_everywhere_have_no_findings() {
        assert_eq!(found(TABLE, TUNING_TABLE, TEMPLATE_TEXT, CODE), [""; 0]);
    }

    #[test]
    fn a_setting_that_only_the_code_knows_is_found() {
        let code = format!("{CODE}\nenv.secret(\"API_KEY\");");
        assert_eq!(
            found(TABLE, TUNING_TABLE, TEMPLATE_TEXT, &code),
            [
                "crates/whim-a/src/config.rs:10: setting: API_KEY is neither in README.md nor in docs/settings.md"
            ]
        );
    }

    #[test]
    fn a_setting_that_only_the_documents_know_is_found() {
        let tuning = format!("{TUNING_TABLE}| `GONE` | none | Gone |\n");
        let template = format!("{TEMPLATE_TEXT}#GONE=\n");
        assert_eq!(
            found(TABLE, &tuning, &template, CODE),
            ["docs/settings.md:4: setting: no program reads GONE: take it out"]
        );
    }

    #[test]
    fn another_default_and_a_missing_line_of_the_template_are_found() {
        let template = TEMPLATE_TEXT.replace("3002", "3003").replace("#LIMIT=\n", "");
        assert_eq!(
            found(TABLE, TUNING_TABLE, &template, CODE),
            [
                ".env.example:2: setting: PORT is `3003`, and its default in README.md is `3002`",
                "docs/settings.md:1: setting: LIMIT is missing in .env.example",
            ]
        );
    }

    #[test]
    fn a_setting_in_both_tables_is_found() {
        let tuning = format!("{TUNING_TABLE}| `PORT` | `3002` | Port |\n");
        assert_eq!(
            found(TABLE, &tuning, TEMPLATE_TEXT, CODE),
            ["docs/settings.md:4: setting: PORT is in README.md too: keep one of the two"]
        );
    }
}
