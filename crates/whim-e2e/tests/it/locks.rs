//! Two real agents that want the same file at the same time.

use whim_core::protocol::work::WorkItem;
use whim_e2e::sample;
use whim_e2e::system::{Options, System};
use whim_testkit::anthropic::{Coder, Gate, Moment, Solution};
use whim_testkit::wait::wait_until;

use crate::world::{PATIENCE, assert_nothing_was_nonsense, item_of, one_repository, pulls_closing};

/// What both want to change.
pub(crate) const FILE: &str = "docs/guide.md";

/// Two issues about the same file. The first agent stands at the gate with the file changed and committed; what the
/// second one does is `second`.
pub(crate) struct Rivals {
    pub(crate) system: System,
    first: u64,
    second: u64,
    gate: Gate,
}

impl Rivals {
    pub(crate) async fn meet(options: Options, second: Solution) -> Self {
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
        gate.reached(PATIENCE).await.unwrap();
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

    /// Waits until the second worker's log says so: what it notices is told there, too.
    pub(crate) async fn second_notices(&self, words: &str) {
        wait_until(&format!("the notice: {words}"), PATIENCE, async || {
            let [_, second] = self.items().await.ok_or_else(|| "no item yet".to_owned())?;
            let worker = second.worker_id.ok_or_else(|| "no worker yet".to_owned())?;
            let client = self.system.client().unwrap();
            let log = client.worker_logs(worker, Some(1000)).await;
            let log = log.map_err(|error| error.to_string())?;
            if log.contains(words) { Ok(()) } else { Err(log) }
        })
        .await
        .unwrap();
    }

    /// Lets the first agent go on; both issues end with a pull request that has its own text of the file.
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
                .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", PATIENCE)
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
        assert_nothing_was_nonsense(&system);
        system.stop().await.unwrap();
    }
}

pub(crate) fn beta_with_an_edit() -> Solution {
    Solution::for_task("chapter beta").file(FILE, "# Beta\n")
}

#[tokio::test]
async fn the_second_agent_waits_for_the_file_and_edits_it_when_the_first_is_done() {
    let options = Options::watching([sample::REPOSITORY]).setting("LOCK_WAIT_TIMEOUT_SECONDS", "600");
    let rivals = Rivals::meet(options, beta_with_an_edit()).await;
    rivals
        .second_notices(&format!("The agent waits for {FILE}"))
        .await;

    let [first, second] = rivals.items().await.unwrap();
    let locks = rivals
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

    rivals.both_deliver().await;
}

#[tokio::test]
async fn the_second_agent_is_told_who_has_the_file_and_edits_it_later() {
    let options = Options::watching([sample::REPOSITORY])
        .setting("LOCK_WAIT_TIMEOUT_SECONDS", "1")
        .setting("STUCK_THRESHOLD", "1000");
    let rivals = Rivals::meet(options, beta_with_an_edit()).await;
    rivals
        .second_notices(&format!("The agent may not edit {FILE}"))
        .await;

    let [first, _] = rivals.items().await.unwrap();
    let holder = format!(
        "{FILE} is locked by work item {} on branch {}",
        first.id, first.branch
    );
    wait_until("the agent to read why", PATIENCE, async || {
        let requests = rivals.system.anthropic.requests();
        let told = requests.iter().any(|request| {
            request.text.contains(&holder) && request.text.contains("another task of the checklist")
        });
        if told {
            Ok(())
        } else {
            Err(format!("{} requests", requests.len()))
        }
    })
    .await
    .unwrap();

    rivals.both_deliver().await;
}

#[tokio::test]
async fn a_shell_command_that_changes_a_locked_file_is_shown_on_both_items() {
    let command =
        format!("mkdir -p docs && touch {FILE} && echo '# Gamma' > {FILE} && sed -i 's/Gamma/Beta/' {FILE}");
    let second = Solution::for_task("chapter beta").command(command);
    let rivals = Rivals::meet(Options::watching([sample::REPOSITORY]), second).await;

    let [first, second] = wait_until("the conflict on both items", PATIENCE, async || {
        let items = rivals.items().await.ok_or_else(|| "no item yet".to_owned())?;
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
    rivals
        .second_notices(&format!("{FILE} was changed although"))
        .await;

    rivals.both_deliver().await;
}
