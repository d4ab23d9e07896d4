//! The transcript and the diff that a worker uploads.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use whim_core::protocol::diff::FileStatus;
use whim_core::protocol::events::WorkerEventBody;
use whim_core::protocol::transcript::{OmissionReason, TranscriptBody, TranscriptEntry};
use whim_testkit::orchestrator::Fault;
use whim_testkit::wait::wait_until;

use crate::world::{FILES, HAPPY, MODEL_KEY, World};

const UPLOADS: &str = "/api/worker/{id}/transcript";

/// The bodies as JSON, without those of stages and notices.
fn bodies(entries: &[TranscriptEntry]) -> Vec<Value> {
    let of_ralph = |entry: &&TranscriptEntry| {
        !matches!(entry.body, TranscriptBody::Stage(_) | TranscriptBody::Notice(_))
    };
    let body = |entry: &TranscriptEntry| serde_json::json!(entry.body);
    entries.iter().filter(of_ralph).map(body).collect()
}

fn types(entries: &[TranscriptEntry]) -> Vec<String> {
    let name = |body: &Value| body["type"].as_str().unwrap_or_default().to_owned();
    bodies(entries).iter().map(name).collect()
}

fn assert_numbered(entries: &[TranscriptEntry]) {
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (1..=entries.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_transcript_holds_in_order_what_the_agent_said_and_did() -> anyhow::Result<()> {
    let script = r#"begin; iteration 1
        emit '{"event":"message","role":"assistant","text":"I begin.\u0000"}'
        emit '{"event":"tool","type":"bash","digest":"d1","id":"t1","name":"Bash","input":{"command":"ls"}}'
        emit '{"event":"tool_result","id":"t1","ok":false,"output":"nothing","truncated_bytes":9,"parent_tool_id":"t0"}'
        commit greeting.txt hello 'Add a greeting'; tick 0 'Add a greeting'; iteration_done 1
        part; complete"#;
    let world = World::new(FILES, script).await?;

    world.run_expecting(0).await?;

    let entries = world.orchestrator.transcript();
    assert_numbered(&entries);
    let first = &bodies(&entries)[..7];
    assert_eq!(
        first[..4],
        [
            json!({ "type": "iteration_started" }),
            json!({ "type": "message", "role": "assistant", "text": "I begin.\u{fffd}" }),
            json!({ "type": "tool", "kind": "bash", "id": "t1", "name": "Bash", "input": { "command": "ls" } }),
            json!({ "type": "tool_result", "id": "t1", "ok": false, "output": "nothing", "truncatedBytes": 9, "parentToolId": "t0" }),
        ]
    );
    assert_eq!(
        (&first[4]["type"], &first[4]["message"]),
        (&json!("commit"), &json!("Add a greeting"))
    );
    assert_eq!(
        first[5],
        json!({ "type": "task_complete", "index": 0, "text": "Add a greeting" })
    );
    assert_eq!(
        (&first[6]["type"], &first[6]["stats"]["costUsd"]),
        (&json!("iteration_done"), &json!(0.5))
    );
    let iterations: Vec<u32> = entries.iter().map(|entry| entry.iteration).collect();
    assert!(
        iterations.is_sorted() && iterations.last() == Some(&2),
        "{iterations:?}"
    );
    let stages = entries
        .iter()
        .filter(|entry| matches!(entry.body, TranscriptBody::Stage(_)));
    assert_eq!(stages.count(), 4);

    // Heartbeats carry no content.
    let tools: Vec<Value> = world
        .orchestrator
        .worker_events()
        .into_iter()
        .filter_map(|event| {
            if let WorkerEventBody::Ralph { event } = event
                && event.name().starts_with("tool")
            {
                return serde_json::to_value(event).ok();
            }
            None
        })
        .collect();
    let call = json!({ "event": "tool", "type": "bash", "digest": "d1", "name": "Bash" });
    assert_eq!(
        tools,
        [
            call,
            json!({ "event": "tool", "type": "write", "path": "farewell.txt" })
        ]
    );
    assert!(!world.orchestrator.ralph_events().contains(&"message".to_owned()));
    Ok(())
}

#[tokio::test]
async fn secrets_in_a_transcript_are_masked_also_where_ralph_cut_them() -> anyhow::Result<()> {
    let script = r#"begin; iteration 1
        key=$ANTHROPIC_API_KEY; start=$(printf '%.20s' "$key"); end=${key#"$start"}
        emit '{"event":"message","role":"assistant","text":"the key is '"$key$key"'"}'
        emit '{"event":"tool","type":"bash","id":"t1","name":"Bash","input":{"'"$key"'":["'"$key"'"]}}'
        emit '{"event":"tool_result","id":"t1","ok":true,"output":"a '"$start"'\n[… 99 bytes left out …]\n'"$end"' b","truncated_bytes":99}'
        greet; part; complete"#;
    let world = World::new(FILES, script).await?;

    world.run_expecting(0).await?;

    let found = bodies(&world.orchestrator.transcript());
    assert_eq!(found[1]["text"], "the key is ******");
    assert_eq!(found[2]["input"], json!({ "***": ["***"] }));
    assert_eq!(found[3]["output"], "a ***\n[… 99 bytes left out …]\n*** b");
    let all = serde_json::to_string(&found)?;
    assert!(!all.contains(&MODEL_KEY[..12]), "{all}");
    Ok(())
}

#[tokio::test]
async fn a_segment_whose_answer_was_lost_is_sent_again_and_stored_once() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let faults = world.orchestrator.faults();
    faults.push(Fault::on(Method::POST, UPLOADS).lose_response().times(2));

    world.run_expecting(0).await?;

    let entries = world.orchestrator.transcript();
    assert_numbered(&entries);
    let per_task = [
        "iteration_started",
        "tool",
        "commit",
        "task_complete",
        "iteration_done",
    ];
    assert_eq!(types(&entries), [per_task, per_task].concat());
    assert!(world.orchestrator.count_requests(&Method::POST, UPLOADS) >= 3);
    Ok(())
}

#[tokio::test]
async fn nothing_is_lost_when_uploads_work_again_before_the_worker_exits() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; greet; part; signal done; await end; complete").await?;
    let faults = world.orchestrator.faults();
    faults.push(Fault::on(Method::POST, UPLOADS).unavailable().always());
    let worker = world.start()?;
    world.signalled("done").await?;
    let refused = || world.orchestrator.count_requests(&Method::POST, UPLOADS);
    wait_until("uploads that fail", Duration::from_secs(20), async || {
        if refused() >= 2 { Ok(()) } else { Err(refused()) }
    })
    .await?;
    assert_eq!(world.orchestrator.transcript(), []);

    faults.clear();
    world.signal("end")?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let entries = world.orchestrator.transcript();
    assert_numbered(&entries);
    assert_eq!(types(&entries).len(), 10, "{entries:?}");
    assert!(world.orchestrator.heartbeat_count() > 2, "heartbeats went on");
    Ok(())
}

#[tokio::test]
async fn the_attempt_ends_although_no_upload_is_answered() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let faults = world.orchestrator.faults();
    faults.push(Fault::on(Method::POST, UPLOADS).unavailable().always());

    let ended = world.run_expecting(0).await?;

    world.completion()?;
    assert!(
        ended
            .log
            .contains("the end of the transcript could not be uploaded"),
        "{}",
        ended.log
    );
    Ok(())
}

#[tokio::test]
async fn a_killed_worker_has_uploaded_what_was_said_before() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; greet; signal done; await never").await?;
    let worker = world.start()?;
    world.signalled("done").await?;
    wait_until("the upload", Duration::from_secs(20), async || {
        let types = types(&world.orchestrator.transcript());
        if types.last().map(String::as_str) == Some("iteration_done") {
            Ok(())
        } else {
            Err(format!("{types:?}"))
        }
    })
    .await?;
    worker.signal(rustix::process::Signal::KILL)?;
    worker.ended().await?;
    assert_eq!(types(&world.orchestrator.transcript()).len(), 5);
    Ok(())
}

#[tokio::test]
async fn an_agent_that_prints_without_end_costs_a_bounded_transcript() -> anyhow::Result<()> {
    // 100 MB in messages, and a line of 10 MB.
    let script = r#"begin; iteration 1
        text=$(head -c 500000 /dev/zero | tr '\0' x)
        line='{"event":"message","role":"assistant","text":"'"$text"'"}'
        for n in $(seq 200); do echo "$line"; done
        printf '{"event":"message","role":"assistant","text":"'; head -c 10000000 /dev/zero | tr '\0' y; printf '"}\n'
        greet; part; complete"#;
    let world = World::new(FILES, script).await?;

    world.run_expecting(0).await?;

    let entries = world.orchestrator.transcript();
    assert_numbered(&entries);
    let (mut messages, mut omitted) = (0, 0);
    for entry in &entries {
        if let TranscriptBody::Message(message) = &entry.body {
            messages += 1;
            assert!(message.text.len() <= 16 * 1024 && message.truncated_bytes > 480_000);
        }
        if let TranscriptBody::Omitted(missing) = &entry.body {
            assert_eq!(missing.reason, OmissionReason::Buffer);
            omitted += missing.count;
        }
    }
    assert_eq!(messages + omitted, 200);
    let notices = world.orchestrator.notices().join("\n");
    assert!(notices.contains("A line of ralph was too long"), "{notices}");
    Ok(())
}

#[tokio::test]
async fn the_diff_of_each_push_is_reported() -> anyhow::Result<()> {
    let files = [
        FILES,
        &[("old.txt", "one\ntwo\nthree\nfour\n"), ("gone.txt", "x\n")],
    ]
    .concat();
    let script = r#"begin; greet; await go
        git mv old.txt new.txt; git rm -q gone.txt
        printf 'a\000b' > data.bin; printf '\377\n' > latin.txt; ln -s README.md link
        seq 100000 > big.txt; printf '# Shop\nOpen.\n' > README.md
        git add -A; git commit -qm 'Change much'; committed 'Change much'
        part; complete"#;
    let world = World::new(&files, script).await?;
    let worker = world.start()?;
    wait_until("the first diff", Duration::from_secs(20), async || {
        let diffs = world.orchestrator.diffs();
        if diffs.is_empty() {
            Err("no diff yet")
        } else {
            Ok(())
        }
    })
    .await?;
    let first = &world.orchestrator.diffs()[0];
    assert_eq!(first.files.len(), 1);
    assert_eq!(
        (first.files[0].path.as_str(), first.files[0].patch.as_deref()),
        ("greeting.txt", Some("@@ -0,0 +1 @@\n+hello\n"))
    );
    world.signal("go")?;
    let ended = worker.ended().await?;
    assert_eq!(ended.code, Some(0), "{}", ended.log);

    let diffs = world.orchestrator.diffs();
    let last = diffs.last().unwrap();
    assert_eq!(Some(last.head_sha.to_string()), world.branch_head());
    assert_eq!(last.base_sha, first.base_sha);
    let file = |path: &str| last.files.iter().find(|file| file.path == path).unwrap();
    assert_eq!(
        (
            file("new.txt").status,
            file("new.txt").old_path.as_deref(),
            file("new.txt").patch.as_deref()
        ),
        (FileStatus::Renamed, Some("old.txt"), Some(""))
    );
    assert_eq!(file("gone.txt").status, FileStatus::Deleted);
    assert!(file("data.bin").is_binary && file("data.bin").patch.is_none());
    assert_eq!(
        file("latin.txt").patch.as_deref(),
        Some("@@ -0,0 +1 @@\n+\u{fffd}\n")
    );
    assert_eq!((file("README.md").additions, file("README.md").deletions), (1, 0));
    let big = file("big.txt");
    assert!(big.is_truncated && big.additions == 100_000 && !big.is_binary);
    let patch = big.patch.as_deref().unwrap();
    assert!(patch.len() <= 128 * 1024 && patch.ends_with('\n'));
    assert_eq!(last.file_count as usize, last.files.len());
    assert!(last.is_truncated() && !first.is_truncated());
    Ok(())
}
