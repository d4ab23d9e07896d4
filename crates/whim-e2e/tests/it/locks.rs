//! Two real agents that edit the same file concurrently.

use whim_core::protocol::work::WorkItem;
use whim_e2e::sample;
use whim_e2e::system::{Options, System};
use whim_testkit::anthropic::{Coder, Gate, Moment, Solution};
use whim_testkit::wait::wait_until;

use crate::world::{TIMEOUT, assert_no_violations, item_of, one_repository, pulls_closing};

/// The file that both agents change.
pub(crate) const FILE: &str = "docs/guide.md";

/// Two issues that change the same file. The first agent is held after it committed the file; `second` is the script of the
/// second agent.
pub(crate) struct ConflictingIssues {
    pub(crate) system: System,
    first: u64,
    second: u64,
    gate: Gate,
}

impl ConflictingIssues {
    pub(crate) async fn start(options: Options, second: Solution) -> Self {
        let system = one_repository(options.setting("MAX_WORKERS", "2")).await;
        let coder = Coder::default()
            .solution(Solution::for_task("chapter alpha").file(FILE, "# Alpha\n"))
            .solution(second);
        system.anthropic.set_coder(coder);
        let mut gate = system.anthropic.hold("chapter alpha", Moment::AfterCommits(1));
        let issue = |name: &str| {
            let (title, body) = (
                format!("Write about {name}"),
                format!("- Add chapter {name} to the guide"),
            );
            system
                .github
                .create_issue(sample::REPOSITORY, &title, &body, &["whim"])
        };
        let first = issue("alpha");
        gate.reached(TIMEOUT).await.unwrap();
        let second = issue("beta");
        Self {
            system,
            first,
            second,
            gate,
        }
    }

    async fn items(&self) -> Option<[WorkItem; 2]> {
        let client = self.system.client().unwrap();
        let mut items = Vec::new();
        for issue in [self.first, self.second] {
            let item = self.system.item_of(sample::REPOSITORY, issue).await.unwrap()?;
            items.push(client.get_work(item.id).await.unwrap());
        }
        items.try_into().ok()
    }

    /// Waits for a notice of the second worker, which is also in its log.
    pub(crate) async fn second_reports(&self, text: &str) {
        wait_until(&format!("the notice {text:?}"), TIMEOUT, async || {
            let [_, second] = self.items().await.ok_or_else(|| "no item yet".to_owned())?;
            let worker = second.worker_id.ok_or_else(|| "no worker yet".to_owned())?;
            let client = self.system.client().unwrap();
            let log = client.worker_logs(worker, Some(1000)).await;
            let log = log.map_err(|error| error.to_string())?;
            if log.contains(text) { Ok(()) } else { Err(log) }
        })
        .await
        .unwrap();
    }

    /// Releases the first agent, and checks that both issues get a pull request with their own version of the file.
    pub(crate) async fn both_deliver(self) {
        let Self {
            system,
            first,
            second,
            gate,
        } = self;
        gate.open();
        for (issue, chapter) in [(first, "Alpha"), (second, "Beta")] {
            system
                .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
                .await
                .unwrap();
            let pulls = pulls_closing(&system, sample::REPOSITORY, issue);
            assert_eq!(pulls.len(), 1, "{pulls:#?}");
            let text = system.github.read_file(sample::REPOSITORY, &pulls[0].head, FILE);
            assert!(
                text.as_ref().is_some_and(|text| text.contains(chapter)),
                "{text:?}"
            );
            assert_eq!(item_of(&system, sample::REPOSITORY, issue).await.retries, 0);
        }
        assert!(
            system
                .client()
                .unwrap()
                .locks(&Default::default())
                .await
                .unwrap()
                .items
                .is_empty()
        );
        assert_no_violations(&system);
        system.stop().await.unwrap();
    }
}

pub(crate) fn beta_with_an_edit() -> Solution {
    Solution::for_task("chapter beta").file(FILE, "# Beta\n")
}

#[tokio::test]
async fn the_second_agent_waits_for_the_lock_until_the_first_is_done() {
    let options = Options::watching([sample::REPOSITORY]).setting("LOCK_WAIT_TIMEOUT_SECONDS", "600");
    let issues = ConflictingIssues::start(options, beta_with_an_edit()).await;
    issues
        .second_reports(&format!("The agent waits for {FILE}"))
        .await;

    let [first, second] = issues.items().await.unwrap();
    let locks = issues
        .system
        .client()
        .unwrap()
        .locks(&Default::default())
        .await
        .unwrap();
    let holder = |path: &str| {
        locks
            .items
            .iter()
            .find(|lock| lock.path.as_str() == path)
            .map(|lock| lock.work_item_id)
    };
    assert_eq!(holder(FILE), Some(first.id));
    assert_ne!(first.worker_id, second.worker_id);

    issues.both_deliver().await;
}

#[tokio::test]
async fn the_second_agent_learns_the_holder_of_the_lock_and_edits_later() {
    let options = Options::watching([sample::REPOSITORY])
        .setting("LOCK_WAIT_TIMEOUT_SECONDS", "1")
        .setting("STUCK_THRESHOLD", "1000");
    let issues = ConflictingIssues::start(options, beta_with_an_edit()).await;
    issues
        .second_reports(&format!("An edit of {FILE} was denied"))
        .await;

    let [first, _] = issues.items().await.unwrap();
    let holder = format!(
        "{FILE} is locked by work item {} on branch {}",
        first.id, first.branch
    );
    wait_until("the agent to receive the reason", TIMEOUT, async || {
        let requests = issues.system.anthropic.requests();
        let is_sent = requests.iter().any(|request| {
            request.text.contains(&holder) && request.text.contains("another task of the checklist")
        });
        if is_sent {
            Ok(())
        } else {
            Err(format!("{} requests", requests.len()))
        }
    })
    .await
    .unwrap();

    issues.both_deliver().await;
}

#[tokio::test]
async fn a_shell_command_that_changes_a_locked_file_is_shown_on_both_items() {
    let command =
        format!("mkdir -p docs && touch {FILE} && echo '# Gamma' > {FILE} && sed -i 's/Gamma/Beta/' {FILE}");
    let second = Solution::for_task("chapter beta").command(command);
    let issues = ConflictingIssues::start(Options::watching([sample::REPOSITORY]), second).await;

    let [first, second] = wait_until("the conflict on both items", TIMEOUT, async || {
        let items = issues.items().await.ok_or_else(|| "no item yet".to_owned())?;
        let shown = |item: &WorkItem| {
            item.lock_conflicts
                .iter()
                .any(|shared| shared.path.as_str() == FILE)
        };
        if items.iter().all(shown) {
            Ok(items)
        } else {
            Err(format!("{items:#?}"))
        }
    })
    .await
    .unwrap();
    let seen = |item: &WorkItem| {
        (
            item.lock_conflicts[0].other_work_item_id,
            item.lock_conflicts[0].is_holder,
        )
    };
    assert_eq!(
        (seen(&first), seen(&second)),
        ((second.id, true), (first.id, false))
    );
    issues
        .second_reports(&format!("{FILE} was changed although"))
        .await;

    issues.both_deliver().await;
}
