use futures::TryStreamExt as _;
use serde_json::{Value, json};
use whim_client::Created;
use whim_core::protocol::PROTOCOL_VERSION_HEADER;
use whim_core::protocol::diff::ReportDiff;
use whim_core::protocol::learnings::{
    CreateLearning, LearningFilter, LearningKind, PreviewLearnings, PullRequestOutcome, QuarantineDecision,
    ReportedLearnings, UpdateLearning,
};
use whim_core::protocol::metrics::DailyUsageFilter;
use whim_core::protocol::notes::AddNote;
use whim_core::protocol::preflight::ReportPreflight;
use whim_core::protocol::queue::PauseQueue;
use whim_core::protocol::reviews::{ReportReview, ReviewFilter};
use whim_core::protocol::timeline::TimelineFilter;
use whim_core::protocol::transcript::{TranscriptFilter, UploadTranscript};
use whim_core::protocol::work::{CancelWork, FailSpec, PutSpec, RequeueWork, SetPriority, WorkFilter};
use whim_core::protocol::worker::{Complete, Fail, Heartbeat, LockFiles, Stuck, UnlockFiles};
use whim_core::protocol::workers::WorkerFilter;
use whim_core::{
    FailureCause, LearningId, LeaseEpoch, Priority, RelativePath, RepoName, ReviewId, WorkItemId,
    WorkItemStatus, WorkerId, WorkerStatus,
};

use crate::server::{Say, Server, work_item};

fn item_id() -> WorkItemId {
    serde_json::from_value(work_item()["id"].clone()).unwrap()
}

/// The calls with the item's and the worker's identifier by name.
fn named(calls: Vec<String>, worker: Option<WorkerId>) -> Vec<String> {
    let item = item_id().to_string();
    let worker = worker.map_or_else(|| "none".to_owned(), |worker| worker.to_string());
    calls
        .into_iter()
        .map(|call| call.replace(&item, "ITEM").replace(&worker, "WORKER"))
        .collect()
}

#[tokio::test]
async fn each_call_of_the_api_has_its_route() {
    let overview = [
        json!({ "items": [], "byStatus": {}, "byPriority": {} }),
        json!({ "items": [], "nextCursor": null }),
        json!({ "healthy": true, "postgres": { "healthy": true, "message": "" },
            "redis": { "healthy": true, "message": "" }, "runtime": { "healthy": true, "message": "" } }),
    ];
    let page = json!({ "items": [work_item()], "nextCursor": null });
    let items = std::iter::repeat_n(work_item(), 7);
    let answers = items
        .chain([page])
        .chain(overview)
        .map(|answer| Say::Json(200, answer));
    let server = Server::start(answers).await;
    let (client, id) = (server.client(), item_id());

    let work = serde_json::from_value(json!({ "repo": "octo/app", "description": "x" })).unwrap();
    assert!(matches!(client.create_work(&work).await.unwrap(), Created::Existing(item) if item.id == id));
    assert_eq!(client.get_work(id).await.unwrap().status, WorkItemStatus::Queued);
    client
        .cancel_work(
            id,
            &CancelWork {
                reason: Some("why".to_owned()),
                cancelled_by: None,
            },
        )
        .await
        .unwrap();
    client
        .requeue_work(
            id,
            &RequeueWork {
                after_run: Some(1),
                requested_by: None,
                description: None,
                approval: None,
            },
        )
        .await
        .unwrap();
    let priority = SetPriority {
        priority: Priority::High,
    };
    client.set_priority(id, &priority).await.unwrap();
    client
        .put_spec(
            id,
            &PutSpec {
                run: 3,
                spec: "# x".to_owned(),
            },
        )
        .await
        .unwrap();
    client
        .fail_spec(
            id,
            &FailSpec {
                run: 3,
                reason: "r".to_owned(),
                retryable: true,
                cause: None,
                retry_after_seconds: None,
            },
        )
        .await
        .unwrap();
    let filter = WorkFilter {
        status: Some(WorkItemStatus::Generating),
        repo: Some("octo/app".parse().unwrap()),
        source_ref: Some("1 & 2".to_owned()),
        limit: Some(7),
        ..WorkFilter::default()
    };
    assert_eq!(client.list_work(&filter).await.unwrap().items.len(), 1);
    client.queue(Some(5), Some(id)).await.unwrap();
    let running = WorkerFilter {
        status: Some(WorkerStatus::Running),
        ..WorkerFilter::default()
    };
    assert!(client.list_workers(&running).await.unwrap().items.is_empty());
    assert!(client.health().await.unwrap().healthy);

    assert_eq!(
        named(server.calls().await, None),
        [
            "POST /api/work",
            "GET /api/work/ITEM",
            "POST /api/work/ITEM/cancel",
            "POST /api/work/ITEM/requeue",
            "PUT /api/work/ITEM/priority",
            "PUT /api/work/ITEM/spec",
            "POST /api/work/ITEM/spec/fail",
            "GET /api/work?limit=7&repo=octo%2Fapp&sourceRef=1+%26+2&status=generating",
            "GET /api/queue?limit=5&cursor=ITEM",
            "GET /api/workers?status=running",
            "GET /health",
        ]
    );
    let seen = server.seen().await;
    assert_eq!(seen[2].body, json!({ "reason": "why" }));
    for request in &seen {
        assert_eq!(request.header("authorization"), "Bearer the-key");
    }
}

#[tokio::test]
async fn each_call_that_looks_closer_has_its_route() {
    let explanation = json!({ "id": item_id(), "status": "queued", "reasonCode": "next", "explanation": "x", "retryAt": null });
    let state = json!({ "paused": null });
    let metrics = json!({ "day": "2026-11-20", "resetsAt": "2026-11-21T00:00:00Z", "submitted": 1, "completed": 0,
        "failed": 0, "cancelled": 0, "successRate": null, "iterations": 0, "costUsd": 0.0,
        "durations": { "averageSeconds": null, "medianSeconds": null, "p95Seconds": null },
        "tokens": { "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 } });
    let usage =
        json!({ "from": "2026-11-20", "to": "2026-11-20", "items": [], "truncated": false, "durations": [] });
    let tasks = json!({ "tasks": [] });
    let settings = json!({ "version": "1.2.3", "settings": [] });
    let page = json!({ "items": [], "nextCursor": null });
    let id = LearningId::new();
    let learning = json!({ "id": id, "repo": "octo/app", "kind": "gotcha", "text": "x", "workItemId": null,
        "sourceCount": 1, "createdAt": "2026-11-21T00:00:00Z", "updatedAt": "2026-11-21T00:00:00Z", "acceptedAt": null,
        "pinnedAt": null, "retiredAt": null, "retiredReason": null, "citations": [], "missingCitations": [],
        "shownCount": 0, "citedCount": 0, "contradicts": [] });
    let record = json!({ "items": 0, "completed": 0, "retried": 0, "cited": 0 });
    let details = json!({ "learning": learning, "sources": [], "record": record });
    let preview = json!({ "text": "", "tokens": 0, "hasVectors": true, "items": [], "omitted": 0 });
    let effect = json!({ "estimate": null, "low": null, "high": null, "summary": "not enough data yet" });
    let arm =
        json!({ "items": 0, "successRate": null, "iterations": null, "costUsd": null, "repairRate": null });
    let all = json!({ "withLearnings": arm, "withoutLearnings": arm, "success": effect, "iterations": effect,
        "costUsd": effect, "repairs": effect });
    let uplift = json!({ "all": all, "repositories": [] });
    let answers = [
        explanation,
        state.clone(),
        state,
        metrics,
        usage,
        settings,
        tasks,
        page,
        learning.clone(),
        learning,
        details,
        preview,
        uplift,
        json!({ "items": [] }),
        json!({ "accepted": 1, "retired": 0 }),
    ]
    .map(|answer| Say::Json(200, answer));
    let texts = ["", "one\ntwo\n"].map(|text| Say::Text(200, text.to_owned()));
    let server = Server::start(answers.into_iter().chain(texts)).await;
    let (client, worker) = (server.client(), WorkerId::new());

    client.explain_work(item_id()).await.unwrap();
    client.pause_queue(&PauseQueue::default()).await.unwrap();
    client.resume_queue().await.unwrap();
    assert_eq!(client.metrics().await.unwrap().submitted, 1);
    let days = DailyUsageFilter {
        to: Some("2026-11-20".parse().unwrap()),
        ..DailyUsageFilter::default()
    };
    client.daily_usage(&days).await.unwrap();
    assert_eq!(client.settings().await.unwrap().version, "1.2.3");
    assert_eq!(client.tasks().await.unwrap().tasks, []);
    let filter = LearningFilter {
        limit: Some(3),
        ..LearningFilter::default()
    };
    client.learnings(&filter).await.unwrap();
    let change = UpdateLearning {
        retired: Some(true),
        ..UpdateLearning::default()
    };
    client.update_learning(id, &change).await.unwrap();
    let repo = RepoName::parse("octo/app").unwrap();
    let new = CreateLearning {
        repo: repo.clone(),
        kind: LearningKind::Gotcha,
        text: "x".to_owned(),
    };
    client.create_learning(&new).await.unwrap();
    client.get_learning(id).await.unwrap();
    let spec = "# Title".to_owned();
    client
        .preview_learnings(&PreviewLearnings { repo, spec })
        .await
        .unwrap();
    client.learnings_uplift().await.unwrap();
    client.learnings_quarantine().await.unwrap();
    let outcome = PullRequestOutcome::Merged;
    let decided = client
        .decide_quarantine(item_id(), QuarantineDecision { outcome })
        .await
        .unwrap();
    assert_eq!(decided.accepted, 1);
    client.delete_learning(id).await.unwrap();
    assert_eq!(client.worker_logs(worker, Some(2)).await.unwrap(), "one\ntwo\n");

    assert_eq!(
        named(server.calls().await, Some(worker)),
        [
            "GET /api/work/ITEM/explain",
            "POST /api/queue/pause",
            "POST /api/queue/resume",
            "GET /api/metrics",
            "GET /api/metrics/daily?to=2026-11-20",
            "GET /api/settings",
            "GET /api/tasks",
            "GET /api/learnings?limit=3",
            &format!("PATCH /api/learnings/{id}"),
            "POST /api/learnings",
            &format!("GET /api/learnings/{id}"),
            "POST /api/learnings/preview",
            "GET /api/learnings/uplift",
            "GET /api/learnings/quarantine",
            "PUT /api/learnings/quarantine/ITEM",
            &format!("DELETE /api/learnings/{id}"),
            "GET /api/workers/WORKER/logs?lines=2",
        ]
    );
    assert_eq!(server.seen().await[8].body, json!({ "retired": true }));
}

#[tokio::test]
async fn a_review_is_reported_by_its_worker_and_read_by_people() {
    let worker_id = WorkerId::new();
    let review = json!({ "id": ReviewId::new(), "workItemId": item_id(), "repo": "octo/app", "workerId": worker_id,
        "leaseEpoch": 1, "round": 1, "headSha": "0123456789012345678901234567890123456789", "verdict": "approved",
        "summary": "Fine.", "findingCounts": { "error": 0, "warning": 0, "note": 1 }, "model": "a-model",
        "findings": [{ "path": "src/a.rs", "severity": "note", "message": "A remark." }],
        "tokens": { "input": 1, "output": 2, "cacheRead": 0, "cacheWrite": 0 }, "costUsd": 0.5,
        "createdAt": "2026-11-21T00:00:00Z" });
    let page = json!({ "items": [review], "nextCursor": null });
    let answers = [
        Say::Json(201, review.clone()),
        Say::Json(200, page),
        Say::Json(200, review.clone()),
    ];
    let server = Server::start(answers).await;
    let report: ReportReview =
        serde_json::from_value(json!({ "round": 1, "verdict": "approved", "summary": "Fine.",
        "headSha": "0123456789012345678901234567890123456789", "model": "a-model" }))
        .unwrap();

    let reported = server
        .worker_client(worker_id)
        .report_review(&report)
        .await
        .unwrap();
    let filter = ReviewFilter {
        work_item_id: Some(item_id()),
        ..ReviewFilter::default()
    };
    let listed = server.client().list_reviews(&filter).await.unwrap();
    let read = server.client().get_review(reported.id).await.unwrap();

    assert_eq!(serde_json::to_value(&read).unwrap(), review);
    assert_eq!((&listed.items, &reported), (&vec![read.clone()], &read));
    let calls = named(server.calls().await, Some(worker_id));
    let id = read.id.to_string();
    let calls: Vec<String> = calls.iter().map(|call| call.replace(&id, "REVIEW")).collect();
    assert_eq!(
        calls,
        [
            "POST /api/worker/WORKER/review",
            "GET /api/reviews?workItemId=ITEM",
            "GET /api/reviews/REVIEW",
        ]
    );
}

#[tokio::test]
async fn a_note_is_added_by_people_and_read_by_them_and_by_the_worker() {
    let worker_id = WorkerId::new();
    let note = json!({ "id": WorkerId::new(), "workItemId": item_id(), "run": 1, "text": "Use tabs.", "author": "ana",
        "createdAt": "2026-11-21T00:00:00Z", "deliveredAt": null, "attempt": null });
    let notes = json!({ "notes": [note] });
    let answers = [
        Say::Json(201, note.clone()),
        Say::Json(200, notes.clone()),
        Say::Json(200, notes),
    ];
    let server = Server::start(answers).await;
    let new = AddNote {
        text: "Use tabs.".to_owned(),
        author: Some("ana".parse().unwrap()),
        source_key: Some("comment:7".to_owned()),
    };

    let added = server.client().add_note(item_id(), &new).await.unwrap();
    let listed = server.client().list_notes(item_id()).await.unwrap();
    let received = server.worker_client(worker_id).run_notes().await.unwrap();

    assert_eq!(serde_json::to_value(&added).unwrap(), note);
    assert_eq!(
        (&listed.notes, &received.notes),
        (&vec![added.clone()], &vec![added])
    );
    assert_eq!(
        named(server.calls().await, Some(worker_id)),
        [
            "POST /api/work/ITEM/notes",
            "GET /api/work/ITEM/notes",
            "GET /api/worker/WORKER/notes",
        ]
    );
    let sent = json!({ "text": "Use tabs.", "author": "ana", "sourceKey": "comment:7" });
    assert_eq!(server.seen().await[0].body, sent);
}

#[tokio::test]
async fn a_preflight_is_reported_by_its_worker_and_read_by_people() {
    let worker_id = WorkerId::new();
    let preflight = json!({ "repo": "octo/app", "checkedAt": "2026-11-21T00:00:00Z", "workItemId": item_id(),
        "workerId": worker_id, "branch": "whim/7", "base": null, "passed": false,
        "checks": [{ "subject": "repository", "outcome": "failed", "message": "It is empty." }] });
    let server = Server::start([Say::Json(204, json!(null)), Say::Json(200, preflight.clone())]).await;
    let report: ReportPreflight = serde_json::from_value(json!({ "checks": preflight["checks"] })).unwrap();

    server
        .worker_client(worker_id)
        .report_preflight(&report)
        .await
        .unwrap();
    let repo = "octo/app".parse().unwrap();
    let read = server.client().get_preflight(&repo).await.unwrap();

    assert_eq!(serde_json::to_value(&read).unwrap(), preflight);
    assert_eq!(
        named(server.calls().await, Some(worker_id)),
        [
            "POST /api/worker/WORKER/preflight",
            "GET /api/repositories/octo/app/preflight",
        ]
    );
}

#[tokio::test]
async fn the_history_of_an_item_has_its_routes() {
    let page = json!({ "workItemId": item_id(), "workerId": null, "leaseEpoch": null, "firstNumber": null,
        "lastNumber": 0, "items": [], "nextCursor": null });
    let diff = json!({ "workItemId": item_id(), "workerId": null, "leaseEpoch": null, "baseSha": null, "headSha": null,
        "updatedAt": null, "files": [], "fileCount": 0, "additions": 0, "deletions": 0, "truncated": false });
    let timeline = json!({ "items": [], "nextCursor": null });
    let archive = Say::Text(200, "an archive".to_owned());
    let answers = [page, diff, timeline].map(|answer| Say::Json(200, answer));
    let server = Server::start(answers.into_iter().chain([archive])).await;
    let (client, id) = (server.client(), item_id());

    let filter = TranscriptFilter {
        attempt: Some(LeaseEpoch::from_number(2)),
        after: Some(200),
        limit: Some(100),
    };
    assert_eq!(client.get_transcript(id, &filter).await.unwrap().last_number, 0);
    assert_eq!(client.get_diff(id).await.unwrap().head_sha, None);
    let filter = TimelineFilter {
        limit: Some(5),
        cursor: None,
    };
    assert_eq!(client.get_timeline(id, &filter).await.unwrap().items, []);
    let archive: Vec<_> = client.export_work(id).await.unwrap().try_collect().await.unwrap();
    assert_eq!(archive.concat(), b"an archive");

    assert_eq!(
        named(server.calls().await, None),
        [
            "GET /api/work/ITEM/transcript?after=200&attempt=2&limit=100",
            "GET /api/work/ITEM/diff",
            "GET /api/work/ITEM/timeline?limit=5",
            "GET /api/work/ITEM/export",
        ]
    );
}

#[tokio::test]
async fn transcripts_and_diffs_are_uploaded_compressed() {
    let head = "1".repeat(40);
    let answers = [json!({ "lastNumber": 1 }), json!({ "headSha": head })];
    let server = Server::start(answers.map(|answer| Say::Json(200, answer))).await;
    let worker_id = WorkerId::new();
    let client = server.worker_client(worker_id);
    let entry = json!({ "number": 1, "occurredAt": "2026-11-20T12:00:00Z", "iteration": 1, "type": "iteration_started" });
    let segment = json!({ "entries": [entry], "more": true });
    let diff = json!({ "baseSha": head, "headSha": head, "files": [], "fileCount": 0, "additions": 0, "deletions": 0 });

    let upload: UploadTranscript = serde_json::from_value(segment.clone()).unwrap();
    assert_eq!(client.upload_transcript(&upload).await.unwrap().last_number, 1);
    let report: ReportDiff = serde_json::from_value(diff.clone()).unwrap();
    client.report_diff(&report).await.unwrap();

    let seen = server.seen().await;
    assert_eq!(
        seen.iter().map(|seen| seen.body.clone()).collect::<Vec<_>>(),
        [segment, diff]
    );
    assert!(seen.iter().all(|seen| seen.header("content-encoding") == "zstd"));
    assert_eq!(
        named(server.calls().await, Some(worker_id)),
        [
            "POST /api/worker/WORKER/transcript",
            "POST /api/worker/WORKER/diff"
        ]
    );
}

#[tokio::test]
async fn the_status_is_read_whole() {
    let status = json!({
        "version": "0.1.0", "items": { "queued": 3 }, "workers": { "active": 1, "max": 2 },
        "budget": { "limit": 200, "used": 5, "reserved": 10, "remaining": 185, "resetsAt": "2026-11-21T00:00:00Z" },
        "cooldown": { "seconds": 0.5, "endsAt": null }, "paused": null,
        "runtime": { "kind": "process", "healthy": true, "message": "no isolation" },
        "breakers": [{
            "subject": "model", "name": null, "cause": "model_limited", "explanation": "The limit is reached.",
            "failures": 2, "since": "2026-11-20T20:00:00Z", "retryAt": "2026-11-20T22:00:00Z",
            "hasFixedExpiry": true, "halfOpen": false, "operatorActionRequired": false
        }],
        "intake": {
            "reportedAt": "2026-11-20T20:00:00Z",
            "access": {
                "token": {
                    "account": { "id": 7, "login": "whim-bot" }, "expiresAt": null, "scopes": ["repo"], "problem": null
                },
                "repositories": [{
                    "repo": "octocat/hello", "contents": "granted", "issues": "missing", "pullRequests": "unknown",
                    "problems": ["issues may not be written"]
                }],
                "specModel": { "model": "claude-sonnet-5-5", "problem": null }
            }
        },
        "blockedReasons": [], "warnings": ["no isolation"]
    });
    let server = Server::start([Say::Json(200, status.clone())]).await;

    let answer = server.client().status().await.unwrap();

    assert_eq!(serde_json::to_value(answer).unwrap(), status);
    assert_eq!(server.calls().await, ["GET /api/status"]);
}

#[tokio::test]
async fn each_call_of_the_worker_protocol_has_its_route_token_and_version() {
    let ended = json!({ "status": "completed", "nextRetryAt": null });
    let answers = [
        json!({ "leaseSeconds": 300 }),
        json!({ "files": ["src/a.rs"] }),
        Value::Null,
        ended.clone(),
        ended.clone(),
        ended,
    ];
    let server = Server::start(answers.map(|answer| Say::Json(200, answer))).await;
    let worker_id = WorkerId::new();
    let client = server.worker_client(worker_id);
    let files = || vec!["src/a.rs".parse::<RelativePath>().unwrap()];

    let renewed = client
        .heartbeat(&Heartbeat {
            seq: 4,
            ..Heartbeat::default()
        })
        .await
        .unwrap();
    assert_eq!(renewed.lease_seconds, 300);
    let lock = LockFiles {
        files: files(),
        after: false,
    };
    assert_eq!(client.lock(&lock).await.unwrap().files, files());
    client.unlock(&UnlockFiles { files: files() }).await.unwrap();
    let complete: Complete = serde_json::from_value(json!({ "prUrl": "https://x/1", "prNumber": 1,
        "headSha": "0123456789012345678901234567890123456789", "spec": "# x", "iterations": 2 }))
    .unwrap();
    client.complete(&complete).await.unwrap();
    let fail = Fail {
        cause: FailureCause::TestsFailed,
        reason: "red".to_owned(),
        retry_after_seconds: None,
        tests: None,
        iterations: 1,
        stats: Default::default(),
        learnings: ReportedLearnings::default(),
    };
    client.fail(&fail).await.unwrap();
    let stuck: Stuck = serde_json::from_value(json!({ "reason": "no idea" })).unwrap();
    assert_eq!(
        client.stuck(&stuck).await.unwrap().status,
        WorkItemStatus::Completed
    );

    assert_eq!(
        named(server.calls().await, Some(worker_id)),
        ["heartbeat", "lock", "unlock", "complete", "fail", "stuck"]
            .map(|operation| format!("POST /api/worker/WORKER/{operation}"))
    );
    for request in server.seen().await {
        assert_eq!(request.header("authorization"), "Bearer the-token");
        assert_eq!(request.header(PROTOCOL_VERSION_HEADER), "1");
    }
}

#[tokio::test]
async fn registering_says_who_and_with_which_nonce() {
    let registered = json!({
        "workerId": WorkerId::new(), "leaseSeconds": 300, "maxIterations": 50,
        "workItem": { "id": item_id(), "leaseEpoch": 3, "repo": "octo/app", "branch": "whim/1-x-abcd", "spec": "# x",
            "headSha": null, "attempt": 1, "metadata": { "issueNumber": 1 } }
    });
    let server = Server::start([Say::Json(200, registered)]).await;
    let worker_id = WorkerId::new();

    let answer = server.worker_client(worker_id).register("nonce-1").await.unwrap();

    assert_eq!(answer.work_item.attempt, 1);
    let seen = server.seen().await;
    assert_eq!(seen[0].call, "POST /api/worker/register");
    assert_eq!(seen[0].body, json!({ "workerId": worker_id, "nonce": "nonce-1" }));
}

#[tokio::test]
async fn a_base_url_may_have_a_path_of_its_own() {
    let server = Server::start([Say::Json(200, work_item())]).await;
    let base = server.url.join("whim/").unwrap();
    let client = whim_client::Client::new(base, None, crate::server::QUICK).unwrap();

    client.get_work(item_id()).await.unwrap();

    assert_eq!(named(server.calls().await, None), ["GET /whim/api/work/ITEM"]);
    assert_eq!(server.seen().await[0].header("authorization"), "");
}
