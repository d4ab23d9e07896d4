//! The pull request as a report, and the trailers of its commits.

use whim_core::UserName;
use whim_core::protocol::events::WorkerEventBody;
use whim_testkit::github::{BOT, Pull};
use whim_testkit::wait::wait_until;

use crate::world::{BRANCH, FILES, HAPPY, REPO, World};

const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(20);
const POLICY: &str = ".whim/config.yml";

fn pull(world: &World) -> Pull {
    let mut pulls = world.github.pulls(REPO);
    assert_eq!(pulls.len(), 1);
    pulls.remove(0)
}

fn body(world: &World) -> String {
    pull(world).body.unwrap_or_default()
}

/// The messages of the branch's commits, the oldest first.
fn messages(world: &World) -> anyhow::Result<Vec<String>> {
    let range = format!("main..{BRANCH}");
    let bare = world.github.bare_repository(REPO);
    let output = bare.run(["log", "--reverse", "--format=%B%x1e", &range])?;
    let messages = output.split('\u{1e}').map(|message| message.trim().to_owned());
    Ok(messages.filter(|message| !message.is_empty()).collect())
}

#[tokio::test]
async fn commits_name_their_task_the_person_who_asked_and_the_sign_off() -> anyhow::Result<()> {
    let script = "begin; export RALPH_TASK=1; greet; export RALPH_TASK=2; iteration 2
echo goodbye > farewell.txt; git add farewell.txt; git commit --quiet --message 'Add a farewell'
git commit --quiet --amend --no-edit; committed 'Add a farewell'
tick 1 'Add a farewell'; iteration_done 2; complete";
    let world = World::new(&[FILES, &[(POLICY, "signOff: true\n")]].concat(), script)
        .await?
        .assigned(|registered| registered.work_item.requested_by = UserName::parse("octo-ana").ok());

    world.run_expecting(0).await?;

    let id = world.orchestrator.assignment().work_item.id;
    let messages = messages(&world)?;
    assert_eq!(messages.len(), 2);
    for (index, message) in messages.iter().enumerate() {
        let expected = format!(
            r"^Add a \w+\n\nWhim-Task: {}\nWhim-Work-Item: {id}\nCo-authored-by: octo-ana <\d+\+octo-ana@users\.noreply\.127\.0\.0\.1>\nSigned-off-by: {BOT} <\d+\+{BOT}@users\.noreply\.127\.0\.0\.1>$",
            index + 1
        );
        assert!(regex::Regex::new(&expected)?.is_match(message), "{message}");
    }
    let body = body(&world);
    let [first, second] = [0, 1].map(|index| {
        let commits = world.github.log(REPO, &format!("main..{BRANCH}"));
        commits[1 - index].hash[..10].to_owned()
    });
    assert!(
        body.contains(&format!("| done | 1. Add a greeting | {first} |  |"))
            && body.contains(&format!("| done | 2. Add a farewell | {second} |  |")),
        "{body}"
    );
    assert!(!pull(&world).draft, "{body}");
    Ok(())
}

#[tokio::test]
async fn a_requester_without_an_account_is_no_author() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY)
        .await?
        .assigned(|registered| registered.work_item.requested_by = UserName::parse("ghostless").ok());

    world.run_expecting(0).await?;

    let messages = messages(&world)?;
    assert!(!messages.concat().contains("Co-authored-by"), "{messages:?}");
    assert!(body(&world).contains("|  | Other commits |"), "{}", body(&world));
    Ok(())
}

#[tokio::test]
async fn commits_without_the_wanted_sign_off_make_a_draft() -> anyhow::Result<()> {
    let script = "begin; rm .git/hooks/prepare-commit-msg; greet; part; complete";
    let world = World::new(&[FILES, &[(POLICY, "signOff: true\n")]].concat(), script).await?;

    world.run_expecting(0).await?;

    assert!(pull(&world).draft);
    let body = body(&world);
    assert!(body.contains("2 commits have no `Signed-off-by`"), "{body}");
    Ok(())
}

#[tokio::test]
async fn a_draft_is_opened_after_the_first_commit_where_the_policy_wants_it() -> anyhow::Result<()> {
    let script = "begin; greet; await go; part; complete";
    let files = [
        FILES,
        &[
            (POLICY, "draft: early\n"),
            ("docs/PULL_REQUEST_TEMPLATE.md", "- [ ] Informed the users\n"),
        ],
    ];
    let world = World::new(&files.concat(), script).await?;
    let worker = world.start()?;

    wait_until("the draft", TIMEOUT, async || {
        match world.github.pulls(REPO).len() {
            0 => Err("no pull request"),
            _ => Ok(()),
        }
    })
    .await?;
    let early = pull(&world);
    let text = body(&world);
    assert!(early.draft);
    assert!(
        text.starts_with("> [!NOTE]\n> Opened after the first commit. Nothing has been checked yet")
            && text.contains("\nFor #1\n")
            && !text.contains("## Checks")
            && text.ends_with("- [ ] Informed the users"),
        "{text}"
    );
    world.signal("go")?;
    assert_eq!(worker.ended().await?.code, Some(0));

    let ready = pull(&world);
    let text = body(&world);
    assert_eq!((ready.number, ready.draft), (early.number, false));
    assert!(
        text.contains("Closes #1")
            && text.contains("## Checks")
            && text.ends_with("- [ ] Informed the users"),
        "{text}"
    );
    Ok(())
}

/// Runs an attempt whose checks stay red, and makes the next one deliver.
async fn red_then(world: &World, change: impl FnOnce(&World, u64)) -> anyhow::Result<()> {
    world.run_expecting(2).await?;
    change(world, pull(world).number);
    let head = crate::world::commit(&world.branch_head().unwrap_or_default())?;
    world.reassign(|registered| {
        registered.work_item.spec = registered.work_item.spec.replace("[ ]", "[x]");
        registered.work_item.head_sha = Some(head);
    });
    world.write_ralph(
        "case $spec in *repair.md) begin; iteration 1; commit fixed.txt fixed 'Repair'; tick 0 'The failed checks pass'; \
         iteration_done 1; complete ;; esac; begin; complete",
    )?;
    Ok(())
}

const RED: &[(&str, &str)] = &[(
    "Makefile",
    "test:\n\t@if [ -e farewell.txt ]; then cat fixed.txt; fi\n",
)];

#[tokio::test]
async fn what_people_write_into_a_pull_request_of_whim_stays() -> anyhow::Result<()> {
    let template = (
        ".github/pull_request_template.md",
        "## Checklist\n\n- [ ] Informed the users\n",
    );
    let world = World::new(&[RED, &[template]].concat(), HAPPY).await?;
    red_then(&world, |world, number| {
        let edited = body(world).replace("- [ ] Informed", "- [x] Informed");
        world.github.edit_issue(REPO, number, &edited);
        world.github.rename_issue(REPO, number, "Greet all visitors");
    })
    .await?;

    let world = world.with("REPAIR_ITERATIONS", "2");
    world.run_expecting(0).await?;

    let found = pull(&world);
    let body = body(&world);
    assert_eq!((found.title.as_str(), found.draft), ("Greet all visitors", false));
    assert!(
        body.contains("Closes #1")
            && !body.contains("CAUTION")
            && body.ends_with("## Checklist\n\n- [x] Informed the users"),
        "{body}"
    );
    assert!(world.github.issue(REPO, found.number).comments.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_report_that_a_person_changed_is_left_as_it_is_and_followed_by_a_comment() -> anyhow::Result<()> {
    let world = World::new(RED, HAPPY).await?;
    red_then(&world, |world, number| {
        let edited = body(world).replace("Visitors want", "Everyone wants");
        world.github.edit_issue(REPO, number, &edited);
    })
    .await?;
    let edited = body(&world);

    let world = world.with("REPAIR_ITERATIONS", "2");
    world.run_expecting(0).await?;

    let found = pull(&world);
    assert_eq!(body(&world), edited);
    let comments = world.github.issue(REPO, found.number).comments;
    assert_eq!(comments.len(), 1);
    assert!(comments[0].body.contains("Closes #1"), "{}", comments[0].body);
    let notices = world.orchestrator.notices();
    assert!(
        notices
            .iter()
            .any(|notice| notice.contains("A person changed Whim's report")),
        "{notices:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_early_draft_adds_no_comment_to_a_report_that_a_person_changed() -> anyhow::Result<()> {
    let world = World::new(&[RED, &[(POLICY, "draft: early\n")]].concat(), HAPPY).await?;
    red_then(&world, |world, number| {
        let edited = body(world).replace("Visitors want", "Everyone wants");
        world.github.edit_issue(REPO, number, &edited);
    })
    .await?;
    world.write_ralph(
        "case $spec in *repair.md) begin; iteration 1; commit fixed.txt fixed 'Repair'; tick 0 'The failed checks pass'; \
         iteration_done 1; complete ;; esac
        begin; iteration 1; commit more.txt more More; iteration_done 1; await go; complete",
    )?;
    let opened = |event: &WorkerEventBody| matches!(event, WorkerEventBody::PullRequest { .. });
    let count = |world: &World| {
        world
            .orchestrator
            .worker_events()
            .iter()
            .filter(|event| opened(event))
            .count()
    };
    let before = count(&world);

    let world = world.with("REPAIR_ITERATIONS", "2");
    let worker = world.start()?;
    wait_until("the early draft", TIMEOUT, async || {
        if count(&world) > before {
            Ok(())
        } else {
            Err("no report of it")
        }
    })
    .await?;
    world.signal("go")?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let comments = world.github.issue(REPO, pull(&world).number).comments;
    assert_eq!(comments.len(), 1);
    assert!(comments[0].body.contains("Closes #1"), "{}", comments[0].body);
    Ok(())
}
