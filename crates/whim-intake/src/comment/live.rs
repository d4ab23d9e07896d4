//! What is happening to a live item.

use chrono::{DateTime, Utc};
use url::Url;
use whim_core::WorkItemStatus;
use whim_core::protocol::explain::{Explanation, ReasonCode};
use whim_core::protocol::work::WorkItem;
use whim_core::source::{CommentSubject, comment_marker};

use super::quote::{fenced, name};

const MAX_SPEC_BYTES: usize = 20_000;
/// Longer times are rounded, so that the comment changes less often.
const EXACT_MINUTES: i64 = 10;
const ROUNDED_MINUTES: i64 = 5;

/// What the comment on a live item is made of.
pub(crate) struct LiveState<'a> {
    pub(crate) item: &'a WorkItem,
    /// Of an item that is not running.
    pub(crate) explanation: Option<&'a Explanation>,
    /// Of all attempts so far, in US dollars; `None` if it is not known.
    pub(crate) cost_usd: Option<f64>,
    /// Why the latest command was not carried out.
    pub(crate) notice: Option<String>,
    pub(crate) now: DateTime<Utc>,
}

pub(crate) fn live(state: &LiveState<'_>, intake_label: &str, dashboard: Option<&Url>) -> String {
    let item = state.item;
    let mut parts = vec![headline(item), details(state)];
    parts.extend(state.notice.clone());
    if let Some(dashboard) = dashboard {
        let page = dashboard.as_str().trim_end_matches('/');
        parts.push(format!("[Watch it](<{page}/work/{}>)", item.id));
    }
    if let Some(spec) = item.spec.as_deref().filter(|spec| !spec.trim().is_empty()) {
        parts.push(format!(
            "<details><summary>Checklist: {} of {} tasks done</summary>\n\n{}\n\n</details>",
            item.tasks_done,
            item.tasks_total,
            fenced(spec, MAX_SPEC_BYTES)
        ));
    }
    let label = intake_label.replace('`', "");
    parts.push(format!(
        "To stop it, remove the label `{label}` or close the issue."
    ));
    parts.push(comment_marker(CommentSubject::Run {
        item: item.id,
        run: item.run,
        ended: false,
    }));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn headline(item: &WorkItem) -> String {
    let requester = item
        .metadata
        .approval
        .as_ref()
        .map(|approval| &approval.approved_by);
    let requester = requester.or(item.requested_by.as_ref());
    let requester = requester.map_or_else(String::new, |user| format!(" for {}", name(user.as_str())));
    match item.status {
        WorkItemStatus::Generating => format!("**Whim writes a checklist for this issue{requester}.**"),
        WorkItemStatus::Queued => format!("**This issue is queued{requester}.**"),
        WorkItemStatus::Assigned
        | WorkItemStatus::InProgress
        | WorkItemStatus::Completed
        | WorkItemStatus::Failed
        | WorkItemStatus::Cancelled => format!("**Whim works on this issue{requester}.**"),
    }
}

fn details(state: &LiveState<'_>) -> String {
    let item = state.item;
    match item.status {
        WorkItemStatus::Generating | WorkItemStatus::Queued => {
            let is_usual = |code| matches!(code, ReasonCode::SpecMissing | ReasonCode::Running);
            let explanation = state.explanation.filter(|it| !is_usual(it.reason_code));
            let explanation = explanation.map(|it| it.explanation.clone()).unwrap_or_default();
            let previous = item.error.as_deref().filter(|error| !error.trim().is_empty());
            match previous {
                Some(error) => format!(
                    "{explanation}\n\nThe previous attempt ended:\n\n{}",
                    fenced(error, 2000)
                ),
                None => explanation,
            }
        }
        WorkItemStatus::Assigned
        | WorkItemStatus::InProgress
        | WorkItemStatus::Completed
        | WorkItemStatus::Failed
        | WorkItemStatus::Cancelled => running(state),
    }
}

fn running(state: &LiveState<'_>) -> String {
    let item = state.item;
    let mut facts = vec![format!(
        "{} of {} tasks are done",
        item.tasks_done, item.tasks_total
    )];
    if let Some(stage) = item.stage {
        facts.push(format!("stage: {}", stage.as_str()));
    }
    if let Some(started_at) = item.started_at {
        facts.push(format!("running for {}", elapsed(started_at, state.now)));
    }
    if let Some(cost) = state.cost_usd.filter(|cost| *cost >= 0.005) {
        facts.push(format!("cost so far: ${cost:.2}"));
    }
    format!("{}.", facts.join("; "))
}

fn elapsed(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let minutes = (to - from).num_minutes().max(0);
    match minutes {
        0 => "less than a minute".to_owned(),
        1 => "1 minute".to_owned(),
        minutes if minutes <= EXACT_MINUTES => format!("{minutes} minutes"),
        minutes => format!("{} minutes", minutes - minutes % ROUNDED_MINUTES),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::{Value, json};

    use super::super::item_for_tests;
    use super::*;

    fn comment(status: &str, fields: Value, explanation: Option<(ReasonCode, &str)>) -> String {
        let item = item_for_tests(status, &fields);
        let explanation = explanation.map(|(reason_code, text)| Explanation {
            id: item.id,
            status: item.status,
            reason_code,
            explanation: text.to_owned(),
            retry_at: None,
        });
        let state = LiveState {
            item: &item,
            explanation: explanation.as_ref(),
            cost_usd: Some(0.4217),
            notice: None,
            now: DateTime::UNIX_EPOCH + TimeDelta::minutes(23),
        };
        live(
            &state,
            "whim",
            Some(&Url::parse("https://whim.example/").unwrap()),
        )
    }

    #[test]
    fn each_stage_is_shown() {
        let spec = "# Say hello\n\n## Tasks\n- [x] Add a greeting\n- [ ] Close ``` #1 @octocat\n";
        let requested = json!({"requestedBy": "octocat"});
        insta::assert_snapshot!(comment("generating", requested, Some((ReasonCode::SpecMissing, "no"))), @r"
        **Whim writes a checklist for this issue for `octocat`.**

        [Watch it](<https://whim.example/work/0193c5a0-0000-7000-8000-000000000001>)

        To stop it, remove the label `whim` or close the issue.

        <!-- whim:item=0193c5a0-0000-7000-8000-000000000001 run=2 state=live -->
        ");
        let fields = json!({"spec": "# Say hello\n\n- [ ] Add a greeting\n", "tasksTotal": 1});
        insta::assert_snapshot!(comment("queued", fields, Some((ReasonCode::Behind, "2 items come first."))), @r"
        **This issue is queued.**

        2 items come first.

        [Watch it](<https://whim.example/work/0193c5a0-0000-7000-8000-000000000001>)

        <details><summary>Checklist: 0 of 1 tasks done</summary>

        ```text
        # Say hello

        - [ ] Add a greeting
        ```

        </details>

        To stop it, remove the label `whim` or close the issue.

        <!-- whim:item=0193c5a0-0000-7000-8000-000000000001 run=2 state=live -->
        ");
        let fields = json!({
            "spec": spec, "tasksDone": 1, "startedAt": "1970-01-01T00:00:00Z", "stage": "working",
        });
        insta::assert_snapshot!(comment("in_progress", fields, None), @r"
        **Whim works on this issue.**

        1 of 2 tasks are done; stage: working; running for 20 minutes; cost so far: $0.42.

        [Watch it](<https://whim.example/work/0193c5a0-0000-7000-8000-000000000001>)

        <details><summary>Checklist: 1 of 2 tasks done</summary>

        ````text
        # Say hello

        ## Tasks
        - [x] Add a greeting
        - [ ] Close ``` #1 @octocat
        ````

        </details>

        To stop it, remove the label `whim` or close the issue.

        <!-- whim:item=0193c5a0-0000-7000-8000-000000000001 run=2 state=live -->
        ");
    }

    #[test]
    fn times_are_rounded_so_that_the_comment_is_edited_rarely() {
        let start = DateTime::UNIX_EPOCH;
        for (minutes, expected) in [
            (-3, "less than a minute"),
            (0, "less than a minute"),
            (1, "1 minute"),
            (10, "10 minutes"),
            (14, "10 minutes"),
            (15, "15 minutes"),
            (121, "120 minutes"),
        ] {
            assert_eq!(elapsed(start, start + TimeDelta::minutes(minutes)), expected);
        }
    }
}
