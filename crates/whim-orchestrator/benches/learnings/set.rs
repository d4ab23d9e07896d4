//! The retrieval set.

use serde::Deserialize;
use whim_core::RepoName;
use whim_core::protocol::learnings::LearningKind;

/// Written down before anything was tuned: see README.md.
const HELD_OUT_SHA256: &str = "d5bf0d26c7b1f6b55e4745f570c907b289c358345973bcc09f794dece74564a2";

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    Learning {
        repo: RepoName,
        id: String,
        kind: LearningKind,
        text: String,
    },
    Task {
        repo: RepoName,
        task: String,
        #[serde(rename = "type")]
        kind: TaskKind,
        answers: Vec<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TaskKind {
    Paraphrase,
    Naming,
    Bare,
}

#[derive(Debug)]
pub(crate) struct Half {
    pub(crate) name: &'static str,
    pub(crate) lines: Vec<Line>,
}

/// # Errors
/// The held-out half was changed, or a line is not valid.
pub(crate) fn halves() -> anyhow::Result<[Half; 2]> {
    let held_out = include_str!("held-out.jsonl");
    let sum = sha256(held_out);
    anyhow::ensure!(sum == HELD_OUT_SHA256, "held-out.jsonl was changed: {sum}");
    let half = |name, content: &str| {
        let lines: Result<Vec<Line>, _> = content.lines().map(serde_json::from_str).collect();
        lines.map(|lines| Half { name, lines })
    };
    Ok([
        half("tuning", include_str!("tuning.jsonl"))?,
        half("held-out", held_out)?,
    ])
}

fn sha256(content: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
