//! The routes of `/api/worker`.

use chrono::Utc;
use ralph_contract::SpecDocument;
use serde_json::json;
use whim_core::protocol::ErrorCode;
use whim_core::protocol::diff::{DiffStored, ReportDiff};
use whim_core::protocol::preflight::ReportPreflight;
use whim_core::protocol::reviews::{FindingCounts, ReportReview, Review};
use whim_core::protocol::transcript::{TranscriptStored, UploadTranscript};
use whim_core::protocol::worker::{
    AttemptEnded, Heartbeat, LeaseRenewed, LockConflict, LockFiles, LocksGranted, Register, Registered,
    UnlockFiles,
};
use whim_core::{FailureCause, RelativePath, RetryRule, ReviewId, WorkItemId, WorkItemStatus, WorkerId};

use super::api_error::ApiError;
use super::items::set_spec;
use super::state::State;
use super::worker_record::{FinalReport, Worker};

const MAX_NONCE_BYTES: usize = 64;
const MAX_EVENTS: usize = 500;
const MAX_FILES: usize = 1000;
const MAX_FILE_BYTES: usize = 1024;

impl State {
    pub(super) fn worker_of_token(&self, token: &str) -> Option<WorkerId> {
        let worker = self.workers.iter().rfind(|worker| worker.token == token);
        worker.map(|worker| worker.registered.worker_id)
    }

    fn worker_mut(&mut self, id: WorkerId) -> Result<&mut Worker, ApiError> {
        self.workers
            .iter_mut()
            .rfind(|worker| worker.registered.worker_id == id)
            .ok_or_else(|| ApiError::new(ErrorCode::NotFound, format!("there is no worker {id}")))
    }

    /// The item of a worker whose attempt is the current one, in one of these states.
    pub(super) fn leased_item(
        &mut self,
        id: WorkerId,
        states: &[WorkItemStatus],
    ) -> Result<WorkItemId, ApiError> {
        let assignment = self.worker_mut(id)?.registered.work_item.clone();
        let item = self.item(assignment.id)?;
        let is_current = item.worker_id == Some(id) && item.lease_epoch == assignment.lease_epoch;
        if is_current && states.contains(&item.status) {
            Ok(item.id)
        } else {
            Err(
                ApiError::new(ErrorCode::LeaseLost, "the worker no longer has the work item")
                    .with_details(json!({ "status": item.status })),
            )
        }
    }

    pub(super) fn register(&mut self, caller: WorkerId, request: Register) -> Result<Registered, ApiError> {
        let Register { worker_id, nonce } = request;
        if worker_id != caller {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "the token belongs to another worker",
            ));
        }
        let is_printable = nonce.bytes().all(|byte| byte.is_ascii_graphic());
        if !(1..=MAX_NONCE_BYTES).contains(&nonce.len()) || !is_printable {
            return Err(ApiError::invalid(
                "nonce",
                "expected 1 to 64 printable ASCII characters",
            ));
        }
        let item = self.leased_item(caller, &[WorkItemStatus::Assigned, WorkItemStatus::InProgress])?;
        match &self.worker_mut(caller)?.nonce {
            Some(known) if *known == nonce => {}
            Some(_) => {
                let error = format!("another process registered as worker {caller}");
                return Err(ApiError::new(ErrorCode::AlreadyRegistered, error));
            }
            None => {
                self.transition(item, WorkItemStatus::InProgress, |_| {})?;
                self.worker_mut(caller)?.nonce = Some(nonce);
            }
        }
        let mut registered = self.worker_mut(caller)?.registered.clone();
        let run = self.item(item)?.run;
        registered.work_item.notes = self.notes_of_run(item, run);
        Ok(registered)
    }

    pub(super) fn heartbeat(
        &mut self,
        caller: WorkerId,
        heartbeat: Heartbeat,
    ) -> Result<LeaseRenewed, ApiError> {
        if heartbeat.events.len() > MAX_EVENTS {
            return Err(ApiError::invalid(
                "events",
                format!("expected at most {MAX_EVENTS}"),
            ));
        }
        if heartbeat.spec.is_some() && heartbeat.head_sha.is_none() {
            return Err(ApiError::invalid("headSha", "expected together with spec"));
        }
        let item = self.leased_item(caller, &[WorkItemStatus::InProgress])?;
        let worker = self.worker_mut(caller)?;
        let lease_seconds = worker.registered.lease_seconds;
        let attempt = worker.registered.work_item.attempt;
        let mut delivered = None;
        if worker.last_seq.is_none_or(|last| heartbeat.seq > last) {
            worker.last_seq = Some(heartbeat.seq);
            worker.heartbeats.push(heartbeat.clone());
            delivered = heartbeat.notes_delivered;
            self.update(item, |item| {
                item.iteration = heartbeat.iteration;
                item.stage = heartbeat.stage.or(item.stage);
                if let Some(spec) = heartbeat.spec {
                    set_spec(item, &SpecDocument::parse(spec));
                }
            })?;
        }
        let run = self.item(item)?.run;
        if let Some(count) = delivered {
            self.deliver_notes(item, run, count, attempt);
        }
        Ok(LeaseRenewed {
            lease_seconds,
            note_count: self.note_count(item, run),
        })
    }

    pub(super) fn lock(&mut self, caller: WorkerId, request: LockFiles) -> Result<LocksGranted, ApiError> {
        check_files(&request.files)?;
        if request.files.is_empty() {
            return Err(ApiError::invalid(
                "files",
                format!("expected 1 to {MAX_FILES} files"),
            ));
        }
        let item = self.leased_item(caller, &[WorkItemStatus::InProgress])?;
        let branch = self.item(item)?.branch.clone();
        let holder = |file: &RelativePath| self.locks.get(file).filter(|lock| lock.worker_id != caller);
        let conflicts: Vec<LockConflict> = request.files.iter().filter_map(holder).cloned().collect();
        if !request.after && !conflicts.is_empty() {
            return Err(
                ApiError::new(ErrorCode::LockHeld, "files are locked by other workers")
                    .with_details(json!({ "conflicts": conflicts })),
            );
        }
        let mut files = request.files.clone();
        files.retain(|file| conflicts.iter().all(|conflict| conflict.file != *file));
        for file in &files {
            let lock = LockConflict {
                file: file.clone(),
                worker_id: caller,
                work_item_id: item,
                branch: branch.clone(),
            };
            self.locks.insert(file.clone(), lock);
        }
        self.worker_mut(caller)?.lock_requests.push(request);
        Ok(LocksGranted { files, conflicts })
    }

    pub(super) fn unlock(&mut self, caller: WorkerId, request: &UnlockFiles) -> Result<(), ApiError> {
        check_files(&request.files)?;
        self.leased_item(caller, &[WorkItemStatus::InProgress])?;
        self.locks
            .retain(|file, lock| lock.worker_id != caller || !request.files.contains(file));
        Ok(())
    }

    /// Also of a worker that has ended.
    pub(super) fn upload_transcript(
        &mut self,
        caller: WorkerId,
        request: UploadTranscript,
    ) -> Result<TranscriptStored, ApiError> {
        let worker = self.worker_mut(caller)?;
        let last = worker.transcript.last().map_or(0, |entry| entry.number);
        let new = request.entries.into_iter().filter(|entry| entry.number > last);
        worker.transcript.extend(new);
        let last_number = worker.transcript.last().map_or(0, |entry| entry.number);
        if worker.transcript.len() as u64 != last_number {
            return Err(ApiError::invalid("entries", "expected numbers without gaps"));
        }
        Ok(TranscriptStored { last_number })
    }

    pub(super) fn report_diff(&mut self, caller: WorkerId, diff: ReportDiff) -> Result<DiffStored, ApiError> {
        let head_sha = diff.head_sha.clone();
        self.worker_mut(caller)?.diffs.push(diff);
        Ok(DiffStored { head_sha })
    }

    pub(super) fn report_preflight(
        &mut self,
        caller: WorkerId,
        report: ReportPreflight,
    ) -> Result<(), ApiError> {
        self.leased_item(caller, &[WorkItemStatus::InProgress])?;
        self.worker_mut(caller)?.preflight = Some(report);
        Ok(())
    }

    /// `true` if it is new: the first report of a round counts.
    pub(super) fn report_review(
        &mut self,
        caller: WorkerId,
        report: ReportReview,
    ) -> Result<(Review, bool), ApiError> {
        self.leased_item(caller, &[WorkItemStatus::InProgress])?;
        let worker = self.worker_mut(caller)?;
        if let Some(known) = worker.reviews.iter().find(|review| review.round == report.round) {
            return Ok((known.clone(), false));
        }
        let assignment = &worker.registered.work_item;
        let review = Review {
            id: ReviewId::new(),
            work_item_id: assignment.id,
            repo: assignment.repo.clone(),
            worker_id: caller,
            lease_epoch: assignment.lease_epoch,
            round: report.round,
            head_sha: report.head_sha,
            verdict: report.verdict,
            summary: report.summary,
            finding_counts: FindingCounts::of(&report.findings),
            findings: Some(report.findings),
            model: report.model,
            tokens: report.tokens,
            cost_usd: report.cost_usd,
            created_at: Utc::now(),
        };
        worker.reviews.push(review.clone());
        Ok((review, true))
    }

    /// A repeated report gets the same response.
    pub(super) fn end_attempt(
        &mut self,
        caller: WorkerId,
        report: FinalReport,
    ) -> Result<AttemptEnded, ApiError> {
        let worker = self.worker_mut(caller)?;
        let item = worker.registered.work_item.id;
        let first = worker.final_reports.first();
        if let (Some(first), Some(response)) = (first, worker.final_response.clone()) {
            if std::mem::discriminant(first) != std::mem::discriminant(&report) {
                let error = "the worker ended its attempt with another report";
                return Err(ApiError::new(ErrorCode::WrongState, error));
            }
            worker.final_reports.push(report);
            return Ok(response);
        }
        self.leased_item(caller, &[WorkItemStatus::InProgress])?;
        self.apply(item, &report)?;
        self.locks.retain(|_, lock| lock.worker_id != caller);
        let (status, next_retry_at) = (self.item(item)?.status, self.item(item)?.next_retry_at);
        let response = AttemptEnded {
            status,
            next_retry_at,
        };
        let worker = self.worker_mut(caller)?;
        worker.final_reports.push(report);
        worker.final_response = Some(response.clone());
        Ok(response)
    }

    fn apply(&mut self, item: WorkItemId, report: &FinalReport) -> Result<(), ApiError> {
        match report {
            FinalReport::Complete(complete) => {
                let document = SpecDocument::parse(complete.spec.as_str());
                self.transition(item, WorkItemStatus::Completed, |item| {
                    set_spec(item, &document);
                    item.pr_url = Some(complete.pr_url.clone());
                    item.pr_number = Some(complete.pr_number);
                    item.iteration = complete.iterations;
                })
            }
            FinalReport::Fail(fail) => self.retry_or_fail(item, fail.cause, &fail.reason),
            FinalReport::Stuck(stuck) => self.retry_or_fail(item, FailureCause::Stuck, &stuck.reason),
        }
    }

    /// Without backoff and retry limits, which only the real orchestrator has.
    fn retry_or_fail(&mut self, id: WorkItemId, cause: FailureCause, reason: &str) -> Result<(), ApiError> {
        let spent = self
            .retries_by_cause
            .get(&(id, cause))
            .copied()
            .unwrap_or_default();
        let has_retry = match cause.retry_rule() {
            RetryRule::Never => false,
            RetryRule::Once => spent == 0,
            RetryRule::UpToLimit => spent < self.item(id)?.max_retries,
            RetryRule::WaitWithoutSpending => true,
        };
        let status = if has_retry {
            WorkItemStatus::Queued
        } else {
            WorkItemStatus::Failed
        };
        let spends_retry = has_retry && cause.retry_rule() != RetryRule::WaitWithoutSpending;
        if spends_retry {
            self.retries_by_cause.insert((id, cause), spent + 1);
        }
        self.transition(id, status, |item| {
            item.error = Some(reason.to_owned());
            item.failure_cause = Some(cause);
            item.retries += u32::from(spends_retry);
        })
    }
}

fn check_files(files: &[RelativePath]) -> Result<(), ApiError> {
    if files.len() > MAX_FILES || files.iter().any(|file| file.as_str().len() > MAX_FILE_BYTES) {
        let problem = format!("expected at most {MAX_FILES} paths of at most {MAX_FILE_BYTES} bytes");
        return Err(ApiError::invalid("files", problem));
    }
    Ok(())
}
