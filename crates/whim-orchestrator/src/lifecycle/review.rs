//! `POST /api/worker/:id/review`.

use whim_core::ReviewId;
use whim_core::protocol::reviews::{
    Finding, FindingCounts, MAX_FINDING_BYTES, MAX_FINDINGS, MAX_REVIEWS, MAX_SUMMARY_BYTES, ReportReview,
    Review,
};

use super::attempt::{Attempt, Caller};
use crate::app::App;
use crate::db::{in_transaction, reviews, storable};
use crate::error::Error;
use crate::metrics;

const MAX_MODEL_BYTES: usize = 200;

/// Result of a reported review.
#[derive(Clone, Debug, PartialEq)]
pub enum ReviewReport {
    New(Review),
    /// The worker had reported this round before; nothing changed.
    Existing(Review),
}

/// Stores a review of a running worker's changes, one for each round. Item and repository are the worker's own
/// (`docs/attacks.md`, row 24).
///
/// # Errors
/// The item was taken away, a field is invalid, or Postgres is unavailable.
pub async fn review(app: &App, caller: &Caller, request: ReportReview) -> Result<ReviewReport, Error> {
    let round = check(&request)?;
    let reported = in_transaction(&app.work_database, async |db| {
        let attempt = Attempt::lock(db, caller.id)
            .await?
            .ok_or(Error::NoSuchWorker(caller.id))?;
        attempt.require_running("report a review before it registered")?;
        if let Some(existing) = reviews::of_worker(&mut *db, caller.id, round).await? {
            return Ok(ReviewReport::Existing(existing));
        }
        let review = new(caller, &attempt, request);
        reviews::insert(db, &review).await?;
        let stored = reviews::find(db, review.id).await?;
        Ok::<_, Error>(ReviewReport::New(stored.unwrap_or(review)))
    })
    .await?;
    if let ReviewReport::New(review) = &reported {
        metrics::reviewed(review.verdict);
        let (work_item_id, verdict) = (review.work_item_id, review.verdict.as_str());
        tracing::info!(worker_id = %caller.id, %work_item_id, verdict, "reviewed");
    }
    Ok(reported)
}

/// Validates what the types do not; returns the round as the database stores it.
fn check(request: &ReportReview) -> Result<i32, Error> {
    let ReportReview {
        round,
        head_sha: _,
        verdict: _,
        summary,
        findings,
        model,
        tokens: _,
        cost_usd,
    } = request;
    if !(1..=MAX_REVIEWS).contains(round) {
        return Err(Error::invalid("round", format!("expected 1 to {MAX_REVIEWS}")));
    }
    check_length("summary", "it", summary, MAX_SUMMARY_BYTES)?;
    if findings.len() > MAX_FINDINGS {
        let problem = format!("expected at most {MAX_FINDINGS}");
        return Err(Error::invalid("findings", problem));
    }
    for (index, finding) in findings.iter().enumerate() {
        let message = format!("the message of finding {}", index + 1);
        check_length("findings", &message, &finding.message, MAX_FINDING_BYTES)?;
        let suggestion = format!("the suggestion of finding {}", index + 1);
        let text = finding.suggestion.as_deref().unwrap_or_default();
        check_length("findings", &suggestion, text, MAX_FINDING_BYTES)?;
    }
    if model.trim().is_empty() {
        return Err(Error::invalid("model", "is empty"));
    }
    check_length("model", "it", model, MAX_MODEL_BYTES)?;
    if !cost_usd.is_finite() || *cost_usd < 0.0 {
        return Err(Error::invalid("costUsd", "expected 0 or more"));
    }
    Ok(round.cast_signed())
}

fn check_length(field: &'static str, what: &str, text: &str, max_bytes: usize) -> Result<(), Error> {
    let bytes = text.len();
    if bytes > max_bytes {
        let problem = format!("{what} has {bytes} bytes; at most {max_bytes} are accepted");
        return Err(Error::invalid(field, problem));
    }
    Ok(())
}

/// A model wrote the texts, so they may contain anything.
fn new(caller: &Caller, attempt: &Attempt, request: ReportReview) -> Review {
    let text = |text: String| storable(&text).into_owned();
    let findings: Vec<Finding> = request
        .findings
        .into_iter()
        .map(|finding| Finding {
            message: text(finding.message),
            suggestion: finding.suggestion.map(text),
            ..finding
        })
        .collect();
    Review {
        id: ReviewId::new(),
        work_item_id: attempt.item.id,
        repo: caller.repo.clone(),
        worker_id: caller.id,
        lease_epoch: caller.lease_epoch,
        round: request.round,
        head_sha: request.head_sha,
        verdict: request.verdict,
        summary: text(request.summary),
        finding_counts: FindingCounts::of(&findings),
        findings: Some(findings),
        model: text(request.model),
        tokens: request.tokens,
        cost_usd: request.cost_usd,
        // Replaced by the database's time.
        created_at: chrono::Utc::now(),
    }
}
