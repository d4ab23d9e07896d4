//! Notes of people to a running agent.

use whim_core::WorkItemStatus;
use whim_core::protocol::notes::AddNote;
use whim_e2e::sample;
use whim_e2e::system::{Options, System};
use whim_testkit::anthropic::{Moment, RequestKind};
use whim_testkit::github::BOT;
use whim_testkit::wait::wait_until;

use crate::killed::issue_with_one_task_done;
use crate::world::{TIMEOUT, assert_no_violations, item_of, one_repository, pulls_closing};

/// The first requests of agents' conversations, in order: those of their iterations.
fn prompts(system: &System) -> Vec<String> {
    let requests = system.anthropic.requests().into_iter();
    let mut prompts: Vec<String> = Vec::new();
    for request in requests.filter(|request| request.kind == RequestKind::Agent) {
        let is_continued = prompts
            .last()
            .is_some_and(|prompt| request.text.starts_with(prompt.as_str()));
        if !is_continued {
            prompts.push(request.text);
        }
    }
    prompts
}

#[tokio::test]
async fn a_note_that_is_posted_while_an_agent_works_is_in_the_request_of_a_later_iteration() {
    const WORDS: &str = "Mention the mailing list of the contributors";
    let system = one_repository(Options::watching([sample::REPOSITORY]).setting("AI_REVIEW", "false")).await;
    let (issue, gate) = issue_with_one_task_done(&system).await;
    let item = item_of(&system, sample::REPOSITORY, issue).await;
    let client = system.client().unwrap();
    let before = system.anthropic.requests().len();

    let note = AddNote {
        text: WORDS.to_owned(),
        author: Some("octocat".parse().unwrap()),
        source_key: None,
    };
    let added = client.add_note(item.id, &note).await.unwrap();
    gate.open();
    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();

    assert_eq!((added.run, added.delivered_at), (1, None));
    let requests = system.anthropic.requests();
    assert!(
        requests[..before]
            .iter()
            .all(|request| !request.text.contains(WORDS))
    );
    let later = requests[before..]
        .iter()
        .find(|request| request.kind == RequestKind::Agent && request.text.contains(WORDS));
    let later = later.unwrap_or_else(|| panic!("no prompt has the note: {:#?}", prompts(&system)));
    assert!(
        later.text.contains("Notes of the people who requested the work"),
        "{}",
        later.text
    );
    let delivered = client.list_notes(item.id).await.unwrap().notes;
    assert_eq!(delivered.len(), 1);
    assert!(
        delivered[0].delivered_at.is_some() && delivered[0].attempt == Some(1),
        "{delivered:?}"
    );
    assert_no_violations(&system);
    system.stop().await.unwrap();
}

#[tokio::test]
async fn a_comment_during_the_last_iteration_gets_an_iteration_of_its_own() {
    const WORDS: &str = "Say thank you at the end of the page";
    let system = one_repository(Options::watching([sample::REPOSITORY]).setting("AI_REVIEW", "false")).await;
    let mut last = system.anthropic.hold("Describe how to", Moment::AfterTicks(2));
    let issue = system.github.create_issue(
        sample::REPOSITORY,
        "Improve the documentation",
        "- Describe how to install it\n- Describe how to take part",
        &["whim"],
    );
    last.reached(TIMEOUT).await.unwrap();

    let comment = system
        .github
        .comment(sample::REPOSITORY, issue, &format!("@whim {WORDS}"));
    wait_until("the thumb", TIMEOUT, async || {
        let comments = system.github.issue(sample::REPOSITORY, issue).comments;
        let reactions = comments
            .into_iter()
            .find(|it| it.id == comment)
            .map(|it| it.reactions);
        let thumb = (BOT.to_owned(), "+1".to_owned());
        match reactions {
            Some(reactions) if reactions.contains(&thumb) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
    last.open();
    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();

    let item = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!((item.status, item.iteration), (WorkItemStatus::Completed, 3));
    let prompt = prompts(&system).pop().unwrap();
    assert!(prompt.contains(WORDS), "{prompt}");
    let notes = system.client().unwrap().list_notes(item.id).await.unwrap().notes;
    assert_eq!((notes[0].text.as_str(), notes[0].attempt), (WORDS, Some(1)));
    let pulls = pulls_closing(&system, sample::REPOSITORY, issue);
    let log = system
        .github
        .log(sample::REPOSITORY, &format!("main..{}", pulls[0].head));
    assert_eq!(log.len(), 3, "{log:#?}");
    assert_no_violations(&system);
    system.stop().await.unwrap();
}
