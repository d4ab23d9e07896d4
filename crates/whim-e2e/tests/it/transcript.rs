//! What people read of a run afterwards: transcript, diff, timeline, export.

use futures::TryStreamExt as _;
use whim_core::protocol::events::{SubscriberEvent, WorkerEventBody};
use whim_core::protocol::timeline::TimelineFilter;
use whim_core::protocol::transcript::{
    MessageRole, TranscriptBody, TranscriptEntry, TranscriptFilter, TranscriptToolKind,
};
use whim_core::{Stage, WorkItemId};
use whim_e2e::sample;
use whim_e2e::system::{Options, System};

use crate::world::{TIMEOUT, assert_no_violations, item_of, one_repository};

async fn transcript(system: &System, item: WorkItemId) -> Vec<TranscriptEntry> {
    let client = system.client().unwrap();
    let mut entries = Vec::new();
    let mut filter = TranscriptFilter {
        limit: Some(7),
        ..TranscriptFilter::default()
    };
    loop {
        let page = client.get_transcript(item, &filter).await.unwrap();
        entries.extend(page.items);
        if page.next_cursor.is_none() {
            assert_eq!(entries.len() as u64, page.last_number);
            return entries;
        }
        filter.after = page.next_cursor;
    }
}

/// What happened, one word each.
fn course(entries: &[TranscriptEntry]) -> Vec<&str> {
    let word = |entry: &TranscriptEntry| match &entry.body {
        TranscriptBody::IterationStarted => Some("start"),
        TranscriptBody::IterationDone(_) => Some("done"),
        TranscriptBody::Tool(tool) => Some(match tool.kind {
            TranscriptToolKind::Read => "read",
            TranscriptToolKind::Write => "write",
            TranscriptToolKind::Bash => "run",
        }),
        TranscriptBody::Commit(_) => Some("commit"),
        TranscriptBody::TaskComplete(_) => Some("tick"),
        TranscriptBody::TaskReopened(_) => Some("untick"),
        TranscriptBody::Message(_)
        | TranscriptBody::ToolResult(_)
        | TranscriptBody::Warning(_)
        | TranscriptBody::Stage(_)
        | TranscriptBody::Notice(_)
        | TranscriptBody::Omitted(_) => None,
    };
    entries.iter().filter_map(word).collect()
}

#[tokio::test]
async fn a_run_is_described_by_its_transcript_diff_timeline_and_export() {
    let system = one_repository(Options::watching([sample::REPOSITORY])).await;
    let body = "- Describe how to install it\n- Describe how to take part";
    let issue = system
        .github
        .create_issue(sample::REPOSITORY, "Improve the documentation", body, &["whim"]);
    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();
    let item = item_of(&system, sample::REPOSITORY, issue).await;
    let client = system.client().unwrap();

    let entries = transcript(&system, item.id).await;
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (1..=entries.len() as u64).collect::<Vec<_>>());
    let words = course(&entries);
    // The order of commits and ticks among the calls depends on when they are noticed.
    assert_eq!(
        words.iter().filter(|word| **word == "start").count(),
        2,
        "{words:?}"
    );
    assert_eq!(
        words.iter().filter(|word| **word == "commit").count(),
        2,
        "{words:?}"
    );
    assert_eq!(
        words.iter().filter(|word| **word == "tick").count(),
        2,
        "{words:?}"
    );
    let mut open_calls = Vec::new();
    let mut commands = Vec::new();
    let mut said = 0;
    for entry in &entries {
        if let TranscriptBody::Tool(tool) = &entry.body {
            open_calls.push(tool.id.clone().unwrap());
            let input = tool.input.as_ref().unwrap();
            commands.extend(input.get("command").and_then(|command| command.as_str()));
        }
        if let TranscriptBody::ToolResult(result) = &entry.body {
            let call = open_calls.iter().position(|id| *id == result.id);
            open_calls.remove(call.unwrap_or_else(|| panic!("no call of {result:?}")));
        }
        if let TranscriptBody::Message(message) = &entry.body {
            assert_eq!(message.role, MessageRole::Assistant);
            said += 1;
        }
    }
    assert_eq!(open_calls, [""; 0]);
    assert!(said >= 2, "{entries:?}");
    let is_test = |command: &&&str| command.contains("npm test");
    assert!(commands.iter().filter(is_test).count() >= 2, "{commands:?}");
    assert!(
        commands.iter().any(|command| command.contains("git commit")),
        "{commands:?}"
    );

    let diff = client.get_diff(item.id).await.unwrap();
    let pull = &system.github.pulls(sample::REPOSITORY)[0];
    assert_eq!(diff.head_sha.unwrap().as_str(), pull.head_hash);
    assert!(!diff.files.is_empty() && !diff.truncated, "{:?}", diff.files);
    assert!(
        diff.files
            .iter()
            .all(|file| file.patch.as_deref().unwrap_or_default().starts_with("@@"))
    );

    let timeline = client
        .get_timeline(item.id, &TimelineFilter::default())
        .await
        .unwrap();
    let attempt = &timeline.items[0];
    let stages: Vec<Stage> = attempt.stages.iter().map(|stage| stage.stage).collect();
    assert_eq!(stages.first(), Some(&Stage::Preparing));
    assert_eq!(stages.last(), Some(&Stage::Delivering));
    assert!(attempt.stages.iter().all(|stage| stage.ended_at.is_some()));
    assert_eq!((attempt.iterations.len(), attempt.commits.len()), (2, 2));
    assert_eq!(attempt.transcript_entries, entries.len() as u64);
    assert!(attempt.cost.total_usd > 0.0 && !attempt.is_incomplete);
    assert_eq!(
        attempt.pull_request.as_ref().map(|pull| pull.number),
        item.pr_number
    );

    let export = client.export_work(item.id).await.unwrap();
    let chunks: Vec<_> = export.try_collect().await.unwrap();
    let archive = zstd::decode_all(chunks.concat().as_slice()).unwrap();
    let mut archive = tar::Archive::new(archive.as_slice());
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    for name in [
        "item.json",
        "spec.md",
        "timeline.json",
        "diff.patch",
        "transcript/attempt-1/000001.jsonl",
    ] {
        assert!(
            names.iter().any(|found| found == name),
            "{name} is not in {names:?}"
        );
    }

    // The texts of the agent are not in the events.
    let mut events = Box::pin(client.events(Some(0)));
    let mut told = 0;
    while told < attempt.transcript_entries {
        let event = events.try_next().await.unwrap().unwrap().event;
        if let SubscriberEvent::Transcript(changed) = event {
            told = changed.last_number;
        } else if let SubscriberEvent::WorkerEvent(record) = event
            && let WorkerEventBody::Ralph { event } = record.event.body
        {
            assert!(!matches!(event.name(), "message" | "tool_result"), "{event:?}");
            assert!(!event.fields().contains_key("input"), "{event:?}");
        }
    }
    assert_no_violations(&system);
    system.stop().await.unwrap();
}
