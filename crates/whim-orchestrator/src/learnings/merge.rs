//! Merges learnings that say the same, and links those that are near each other.
//!
//! Never by similarity alone: "use X" and "never use X" have a cosine of .975, and true duplicates often .5
//! (`docs/decisions/0034-merging-needs-equal-facts.md`).

use sqlx::PgPool;
use whim_core::LearningId;

use super::normal::{Difference, Facts};
use crate::db::in_transaction;
use crate::db::learnings::links::{link, merge, neighbours, unlink};

const EQUAL: f64 = 0.95;
const NEAR: f64 = 0.80;

/// Compares a learning that was just embedded with those near it, and replaces its links. Returns how many were merged.
///
/// # Errors
/// Postgres is unavailable.
pub async fn link_and_merge(database: &PgPool, id: LearningId, text: &str) -> sqlx::Result<u64> {
    in_transaction(database, async |db| {
        let facts = Facts::of(text);
        let mut merged = 0;
        unlink(&mut *db, id).await?;
        for neighbour in neighbours(&mut *db, id, NEAR).await? {
            let difference = facts.difference(&Facts::of(&neighbour.text));
            if neighbour.similarity >= EQUAL && difference == Difference::None {
                // Identifiers sort by time.
                let (newer, older) = (id.max(neighbour.id), id.min(neighbour.id));
                merge(&mut *db, newer, older).await?;
                tracing::info!(merged = %newer, into = %older, "merged two learnings that say the same");
                merged += 1;
                if newer == id {
                    break;
                }
                continue;
            }
            let contradicts = difference == Difference::Contradiction;
            link(&mut *db, (id, neighbour.id), neighbour.similarity, contradicts).await?;
        }
        Ok(merged)
    })
    .await
}
