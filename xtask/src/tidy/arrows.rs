//! Which crate may depend on which: arrows point one way only.

use super::finding::{Finding, Rule};
use super::manifests::{Kind, Member};

/// Who may use whom among our own crates. Tests may use any of them that is no program.
const OWN: [(&str, &[&str]); 16] = [
    // No crate of ours: it knows processes and nothing of the programs that start them.
    ("process-tree", &[]),
    ("ralph-contract", &[]),
    ("whim-core", &["ralph-contract"]),
    ("whim-client", &["whim-core"]),
    ("whim-service", &["process-tree"]),
    ("whim-containers", &["whim-core", "whim-service"]),
    ("ralph", &["process-tree", "ralph-contract"]),
    // No client: it fetches nothing over HTTP, so nobody can have it fetch something (`ATTACKS.md`, row 22).
    (
        "whim-orchestrator",
        &["ralph-contract", "whim-core", "whim-containers", "whim-service"],
    ),
    (
        "whim-intake",
        &["ralph-contract", "whim-core", "whim-client", "whim-service"],
    ),
    (
        "whim-socket-proxy",
        &["whim-containers", "whim-core", "whim-service"],
    ),
    (
        "whim-worker",
        &["ralph-contract", "whim-core", "whim-client", "whim-service"],
    ),
    ("whim-dashboard", &["whim-core", "whim-client", "whim-service"]),
    ("whim-embedder", &[]),
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

const PROGRAMS: [&str; 6] = [
    "ralph",
    "whim-orchestrator",
    "whim-intake",
    "whim-worker",
    "whim-socket-proxy",
    "whim-dashboard",
];

/// Foreign crates that belong to one task, and who has that task. Tests may use them anywhere.
const FOREIGN: [(&str, &[&str]); 9] = [
    ("sqlx", &["whim-orchestrator", "whim-testkit", "xtask"]),
    ("redis", &["whim-orchestrator", "whim-testkit"]),
    ("pgvector", &["whim-orchestrator"]),
    (
        "bollard",
        &["whim-orchestrator", "whim-containers", "whim-socket-proxy"],
    ),
    ("kube", &["whim-orchestrator"]),
    ("octocrab", &["whim-worker"]),
    (
        "axum",
        &[
            "whim-orchestrator",
            "whim-dashboard",
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
        let what = format!("say in xtask/src/tidy/arrows.rs which of our crates `{name}` may use");
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
            // Optional: the types' own mapping to the database, without a driver.
            Kind::Normal | Kind::Build if allowed_foreign.is_some_and(|users| !users.contains(&name)) => {
                findings.push(finding(used, format!("`{used}` is none of `{name}`'s business")));
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

    fn told(name: &str, manifest: &str) -> Vec<String> {
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
    fn allowed_arrows_have_no_findings() {
        let text = "[dependencies]\nwhim-core.workspace = true\nwhim-service.workspace = true\noctocrab.workspace = true\n\
                    [dev-dependencies]\nwhim-testkit.workspace = true\naxum.workspace = true\n";
        assert_eq!(told("whim-worker", text), [""; 0]);
        assert_eq!(
            told(
                "whim-core",
                "[dependencies]\nsqlx = { workspace = true, optional = true }\n"
            ),
            [""; 0]
        );
    }

    #[test]
    fn arrows_that_point_upwards_are_found() {
        assert_eq!(
            told("ralph", "[dependencies]\nwhim-core.workspace = true\n"),
            ["`ralph` must not depend on `whim-core`"]
        );
        assert_eq!(
            told("whim-worker", "[dependencies]\nwhim-testkit.workspace = true\n"),
            ["`whim-worker` must not depend on `whim-testkit`"]
        );
        assert_eq!(
            told(
                "whim-worker",
                "[dev-dependencies]\nwhim-orchestrator.workspace = true\n"
            ),
            ["nothing depends on the program `whim-orchestrator`, not even a test"]
        );
    }

    #[test]
    fn foreign_crates_stay_with_their_task() {
        assert_eq!(
            told("whim-worker", "[dependencies]\nsqlx.workspace = true\n"),
            ["`sqlx` is none of `whim-worker`'s business"]
        );
    }

    // ATTACKS.md, row 22.
    #[test]
    fn an_orchestrator_that_could_fetch_what_somebody_names_is_found() {
        let text = "[dependencies]\nwhim-client.workspace = true\nreqwest.workspace = true\n";
        assert_eq!(
            told("whim-orchestrator", text),
            [
                "`reqwest` is none of `whim-orchestrator`'s business",
                "`whim-orchestrator` must not depend on `whim-client`"
            ]
        );
    }

    #[test]
    fn a_new_crate_has_to_be_placed() {
        assert_eq!(
            told("whim-new", "[package]\nname = \"whim-new\"\n"),
            ["say in xtask/src/tidy/arrows.rs which of our crates `whim-new` may use"]
        );
    }
}
