//! Which crate may depend on which: dependencies point one way only.

use super::finding::{Finding, Rule};
use super::manifests::{Kind, Member};

/// The crates of the workspace and which of them each may use. Tests may use all that are not programs.
const OWN: [(&str, &[&str]); 19] = [
    // Knows processes, and nothing of the programs that start them.
    ("process-tree", &[]),
    ("ralph-contract", &[]),
    ("whim-core", &["ralph-contract"]),
    ("whim-client", &["whim-core"]),
    ("whim-github", &[]),
    ("whim-service", &["process-tree"]),
    ("whim-containers", &["whim-core", "whim-service"]),
    ("whim-runtime", &["whim-core", "whim-containers", "whim-service"]),
    ("ralph", &["process-tree", "ralph-contract"]),
    // No HTTP client: a caller cannot make it fetch anything (docs/attacks.md, row 22).
    (
        "whim-orchestrator",
        &["ralph-contract", "whim-core", "whim-runtime", "whim-service"],
    ),
    (
        "whim-intake",
        &[
            "ralph-contract",
            "whim-core",
            "whim-client",
            "whim-github",
            "whim-service",
        ],
    ),
    (
        "whim-socket-proxy",
        &["whim-containers", "whim-core", "whim-service"],
    ),
    (
        "whim-worker",
        &[
            "ralph-contract",
            "whim-core",
            "whim-client",
            "whim-github",
            "whim-service",
        ],
    ),
    ("whim-dashboard", &["whim-core", "whim-service"]),
    ("whim-embedder", &["whim-core"]),
    (
        "whim-gateway",
        &["whim-client", "whim-core", "whim-github", "whim-service"],
    ),
    ("whim-testkit", &["ralph-contract", "whim-core"]),
    (
        "whim-e2e",
        &[
            "ralph-contract",
            "whim-core",
            "whim-client",
            "whim-service",
            "whim-testkit",
        ],
    ),
    ("xtask", &["whim-testkit"]),
];

const PROGRAMS: [&str; 8] = [
    "ralph",
    "whim-orchestrator",
    "whim-intake",
    "whim-worker",
    "whim-socket-proxy",
    "whim-dashboard",
    "whim-embedder",
    "whim-gateway",
];

/// Third-party crates for one task, and the crates that do it. Tests may use them anywhere.
const FOREIGN: [(&str, &[&str]); 10] = [
    ("sqlx", &["whim-orchestrator", "whim-testkit", "xtask"]),
    ("redis", &["whim-orchestrator", "whim-testkit"]),
    ("pgvector", &["whim-orchestrator"]),
    ("candle-core", &["whim-embedder"]),
    (
        "bollard",
        &["whim-runtime", "whim-containers", "whim-socket-proxy"],
    ),
    ("kube", &["whim-runtime"]),
    ("octocrab", &["whim-worker"]),
    (
        "axum",
        &[
            "whim-orchestrator",
            "whim-dashboard",
            "whim-gateway",
            "whim-service",
            "whim-testkit",
        ],
    ),
    (
        "reqwest",
        &[
            "whim-client",
            "whim-intake",
            "whim-dashboard",
            "whim-embedder",
            "whim-gateway",
            "whim-testkit",
            "whim-e2e",
        ],
    ),
    (
        "tower-http",
        &["whim-orchestrator", "whim-dashboard", "whim-testkit"],
    ),
];

pub(crate) fn findings(members: &[Member]) -> Vec<Finding> {
    members.iter().flat_map(from_member).collect()
}

fn from_member(member: &Member) -> Vec<Finding> {
    let manifest = &member.manifest;
    let finding = |dependency: &str, what: String| {
        Finding::new(&manifest.path, manifest.line_of(dependency), Rule::Arrow, what)
    };
    let name = member.name.as_str();
    let Some((_, allowed)) = OWN.iter().find(|(user, _)| *user == name) else {
        let what = format!("list in xtask/src/tidy/arrows.rs the crates that `{name}` may use");
        return vec![finding("name", what)];
    };
    let mut findings = Vec::new();
    for dependency in manifest.dependencies() {
        let used = dependency.name.as_str();
        let is_ours = OWN.iter().any(|(user, _)| *user == used);
        let allowed_foreign = FOREIGN
            .iter()
            .find(|(foreign, _)| *foreign == used)
            .map(|(_, users)| users);
        match dependency.kind {
            Kind::Normal | Kind::Optional | Kind::Build if is_ours && !allowed.contains(&used) => {
                findings.push(finding(used, format!("`{name}` must not depend on `{used}`")));
            }
            Kind::Development if PROGRAMS.contains(&used) => {
                findings.push(finding(
                    used,
                    format!("nothing depends on the program `{used}`, not even a test"),
                ));
            }
            // Optional: the mapping of types to the database, without a driver.
            Kind::Normal | Kind::Build if allowed_foreign.is_some_and(|users| !users.contains(&name)) => {
                findings.push(finding(
                    used,
                    format!("`{name}` must not use `{used}`: see xtask/src/tidy/arrows.rs"),
                ));
            }
            Kind::Normal | Kind::Optional | Kind::Development | Kind::Build => {}
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::manifests::Manifest;

    fn found(name: &str, manifest: &str) -> Vec<String> {
        let manifest = Manifest::parse("Cargo.toml", manifest).unwrap();
        let member = Member {
            name: name.to_owned(),
            manifest,
        };
        from_member(&member)
            .into_iter()
            .map(|finding| finding.what_to_do)
            .collect()
    }

    #[test]
    fn allowed_dependencies_have_no_findings() {
        let text = "[dependencies]\nwhim-core.workspace = true\nwhim-service.workspace = true\noctocrab.workspace = true\n\
                    [dev-dependencies]\nwhim-testkit.workspace = true\naxum.workspace = true\n";
        assert_eq!(found("whim-worker", text), [""; 0]);
        assert_eq!(
            found(
                "whim-core",
                "[dependencies]\nsqlx = { workspace = true, optional = true }\n"
            ),
            [""; 0]
        );
    }

    #[test]
    fn dependencies_in_the_wrong_direction_are_found() {
        assert_eq!(
            found("ralph", "[dependencies]\nwhim-core.workspace = true\n"),
            ["`ralph` must not depend on `whim-core`"]
        );
        assert_eq!(
            found("whim-worker", "[dependencies]\nwhim-testkit.workspace = true\n"),
            ["`whim-worker` must not depend on `whim-testkit`"]
        );
        assert_eq!(
            found(
                "whim-worker",
                "[dev-dependencies]\nwhim-orchestrator.workspace = true\n"
            ),
            ["nothing depends on the program `whim-orchestrator`, not even a test"]
        );
    }

    #[test]
    fn foreign_crates_stay_with_their_task() {
        assert_eq!(
            found("whim-worker", "[dependencies]\nsqlx.workspace = true\n"),
            ["`whim-worker` must not use `sqlx`: see xtask/src/tidy/arrows.rs"]
        );
    }

    // docs/attacks.md, row 22.
    #[test]
    fn an_orchestrator_with_an_http_client_is_found() {
        let text = "[dependencies]\nwhim-client.workspace = true\nreqwest.workspace = true\n";
        assert_eq!(
            found("whim-orchestrator", text),
            [
                "`whim-orchestrator` must not use `reqwest`: see xtask/src/tidy/arrows.rs",
                "`whim-orchestrator` must not depend on `whim-client`"
            ]
        );
    }

    #[test]
    fn a_new_crate_has_to_be_listed() {
        assert_eq!(
            found("whim-new", "[package]\nname = \"whim-new\"\n"),
            ["list in xtask/src/tidy/arrows.rs the crates that `whim-new` may use"]
        );
    }
}
