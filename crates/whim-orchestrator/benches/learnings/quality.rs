//! Recall, MRR and nDCG by kind of task.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use whim_core::LearningId;
use whim_core::protocol::learnings::CreateLearning;
use whim_orchestrator::db::learnings::{self, NewLearning, embeddings};
use whim_orchestrator::learnings::rank::Method;
use whim_orchestrator::learnings::{Embedder, Pool, find, indexed};

use crate::set::{Half, Line, TaskKind, halves};

const LIMIT: Duration = Duration::from_secs(60);

/// Sums over tasks.
#[derive(Clone, Copy, Default)]
struct Sums {
    tasks: f64,
    first: f64,
    five: f64,
    twenty: f64,
    reciprocal: f64,
    gain: f64,
}

pub(crate) async fn measure(database: &PgPool, embedder: &Embedder) -> anyhow::Result<()> {
    println!("| half | tasks | method | recall@1 | recall@5 | recall@20 | MRR | nDCG@20 |");
    println!("|---|---|---|---|---|---|---|---|");
    let halves = halves()?;
    let mut names = BTreeMap::new();
    for half in &halves {
        insert(database, half, &mut names).await?;
    }
    let started = Instant::now();
    let count = embed(database, embedder).await?;
    let per_text = started.elapsed() / u32::try_from(count)?;
    for half in &halves {
        for (method, name) in [
            (Method::Words, "words"),
            (Method::Vectors, "vectors"),
            (Method::Fused, "fused"),
        ] {
            let mut kinds: BTreeMap<Option<TaskKind>, Sums> = BTreeMap::new();
            for line in &half.lines {
                let Line::Task {
                    repo,
                    task,
                    kind,
                    answers,
                } = line
                else {
                    continue;
                };
                let pool = Pool {
                    repo,
                    item: None,
                    with_owner: false,
                    limit: LIMIT,
                    method,
                };
                let found = find(database, embedder, &pool, std::slice::from_ref(task)).await?;
                let order: Vec<&str> = found
                    .ranked
                    .iter()
                    .filter_map(|ranked| names.get(&found.candidates[ranked.index].id))
                    .map(String::as_str)
                    .collect();
                let answers: BTreeSet<&str> = answers.iter().map(String::as_str).collect();
                for kind in [Some(*kind), None] {
                    kinds.entry(kind).or_default().add(&order, &answers);
                }
            }
            for (kind, sums) in kinds {
                let kind = kind.map_or("all".to_owned(), |kind| format!("{kind:?}").to_lowercase());
                sums.print(half.name, &kind, name);
            }
        }
    }
    println!(
        "\nEmbedding takes {:.1} ms per learning.\n",
        per_text.as_secs_f64() * 1000.0
    );
    Ok(())
}

impl Sums {
    fn add(&mut self, order: &[&str], answers: &BTreeSet<&str>) {
        let within = |limit: usize| {
            let found = order
                .iter()
                .take(limit)
                .filter(|name| answers.contains(**name))
                .count();
            found as f64 / answers.len().min(limit) as f64
        };
        let first = order.iter().position(|name| answers.contains(name));
        let gain = |position: usize| 1.0 / ((position + 2) as f64).log2();
        let ideal: f64 = (0..answers.len()).map(gain).sum();
        let found = order.iter().take(20).enumerate();
        let found = found.filter(|(_, name)| answers.contains(**name));
        self.tasks += 1.0;
        self.first += f64::from(u8::from(first == Some(0)));
        self.five += within(5);
        self.twenty += within(20);
        self.reciprocal += first.map_or(0.0, |position| 1.0 / (position + 1) as f64);
        self.gain += found.map(|(position, _)| gain(position)).sum::<f64>() / ideal;
    }

    fn print(self, half: &str, kind: &str, method: &str) {
        let mean = |sum: f64| sum / self.tasks;
        println!(
            "| {half} | {kind} ({}) | {method} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            self.tasks,
            mean(self.first),
            mean(self.five),
            mean(self.twenty),
            mean(self.reciprocal),
            mean(self.gain),
        );
    }
}

async fn insert(
    database: &PgPool,
    half: &Half,
    names: &mut BTreeMap<LearningId, String>,
) -> anyhow::Result<()> {
    for line in &half.lines {
        if let Line::Learning { repo, id, kind, text } = line {
            let content = CreateLearning {
                repo: repo.clone(),
                kind: *kind,
                text: text.clone(),
            };
            let new = NewLearning {
                content: &content,
                indexed: &indexed(text),
                citations: &[],
                missing_citations: &[],
                is_accepted: true,
            };
            let stored = learnings::insert(database, &new).await?;
            names.insert(stored, id.clone());
        }
    }
    Ok(())
}

/// Embeds what is missing, and returns the number.
async fn embed(database: &PgPool, embedder: &Embedder) -> anyhow::Result<usize> {
    let model = embedder.model();
    let mut count = 0;
    loop {
        let missing = embeddings::missing(database, &model, 64).await?;
        if missing.is_empty() {
            return Ok(count);
        }
        let texts: Vec<String> = missing.iter().map(|learning| learning.text.clone()).collect();
        let vectors = embedder.embed(&texts, LIMIT).await?;
        for (learning, vector) in missing.iter().zip(&vectors) {
            embeddings::put(database, learning, &model, vector).await?;
        }
        count += missing.len();
    }
}
