//! Embeds learnings off the path of requests, merges equal ones, and retires those without effect.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::learnings::embeddings::{self, Unembedded};
use crate::db::{self, in_transaction};
use crate::learnings::{link_and_merge, without_effect};

/// Learnings per run; a full batch wakes the next run.
const BATCH_SIZE: i64 = 64;
const BATCH_LIMIT: Duration = Duration::from_secs(60);

/// Reason of learnings that many items received for nothing.
const NO_EFFECT: &str =
    "at least 20 items received it, no agent used it, and they did not end better than others";

#[derive(Debug)]
pub struct Learnings(pub App);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LearningsReport {
    pub embedded: u64,
    pub merged: u64,
    pub retired: u64,
    /// Whether the embedder is running at the end.
    pub embedder_running: bool,
}

impl Reconciler for Learnings {
    type Report = LearningsReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<LearningsReport> {
        let embedded = self.embed_batch().await;
        // Once per round: a full batch is followed by another run.
        let retired = match &embedded {
            Ok(batch) if batch.is_full => Ok(0),
            Ok(_) | Err(_) => self.retire().await.context("retiring learnings"),
        };
        let embedder_running = self.0.embedder.end_if_idle().await;
        let batch = embedded?;
        Ok(LearningsReport {
            embedded: batch.embedded,
            merged: batch.merged,
            retired: retired?,
            embedder_running,
        })
    }
}

/// What became of a batch.
#[derive(Default)]
struct Batch {
    embedded: u64,
    merged: u64,
    /// There may be more to embed.
    is_full: bool,
}

impl Learnings {
    async fn embed_batch(&self) -> anyhow::Result<Batch> {
        let Self(app) = self;
        let model = app.embedder.model();
        let missing = embeddings::missing(&app.work_database, &model, BATCH_SIZE)
            .await
            .context("listing learnings without a vector")?;
        let mut batch = Batch {
            is_full: missing.len() as i64 == BATCH_SIZE,
            ..Batch::default()
        };
        for (learning, vector) in self.embed(missing).await? {
            if !embeddings::put(&app.work_database, &learning, &model, &vector)
                .await
                .context("storing a vector")?
            {
                continue;
            }
            batch.embedded += 1;
            batch.merged += link_and_merge(&app.work_database, learning.id, &learning.text)
                .await
                .context("comparing a learning with those near it")?;
        }
        if batch.is_full {
            app.wakers.learnings.activate();
        }
        Ok(batch)
    }

    /// Each distinct text once.
    async fn embed(&self, missing: Vec<Unembedded>) -> anyhow::Result<Vec<(Unembedded, Vec<f32>)>> {
        let mut texts: Vec<String> = Vec::new();
        let mut positions: BTreeMap<String, usize> = BTreeMap::new();
        for learning in &missing {
            positions.entry(learning.text.clone()).or_insert_with(|| {
                texts.push(learning.text.clone());
                texts.len() - 1
            });
        }
        let vectors = self
            .0
            .embedder
            .embed(&texts, BATCH_LIMIT)
            .await
            .context("embedding learnings; until that works, they are found by words only")?;
        Ok(missing
            .into_iter()
            .filter_map(|learning| {
                let position = positions.get(&learning.text)?;
                Some((learning, vectors.get(*position)?.clone()))
            })
            .collect())
    }

    async fn retire(&self) -> sqlx::Result<u64> {
        let Self(app) = self;
        let useless: Vec<_> = without_effect(&app.work_database)
            .await?
            .into_iter()
            .map(|shown| shown.id)
            .collect();
        if useless.is_empty() {
            return Ok(0);
        }
        in_transaction(&app.work_database, async |db| {
            db::learnings::retire(db, &useless, NO_EFFECT).await
        })
        .await
    }
}
