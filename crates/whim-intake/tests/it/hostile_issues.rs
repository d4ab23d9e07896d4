//! A corpus of hostile issues: nothing hidden, nothing of strangers and nothing that was edited reaches the model.

use std::time::Duration;

use whim_core::source::{CommentSubject, comment_marker};
use whim_core::{WorkItemId, WorkItemStatus};
use whim_testkit::github::{GitHub, Role};

use crate::world::{REPO, World};

/// No request to the model and no item may contain it.
const CANARY: &str = "CANARY";
const STRANGER: &str = "mallory";

/// Bodies whose canary no reader of the rendered issue can see.
const HIDDEN: [&str; 40] = [
    "<!-- CANARY -->",
    "<!--\n\nCANARY\n\n-->",
    "<!-- CANARY",
    "<!-- > CANARY -->",
    "<!---> <!-- CANARY -->",
    "<?php CANARY ?>",
    "<!X CANARY>",
    "<![CDATA[CANARY]]>",
    "<!DOCTYPE CANARY>",
    "[//]: # (CANARY)",
    "[comment]: <> (CANARY)",
    "[a]: https://x.example 'CANARY'",
    "[^unused]: CANARY",
    "![CANARY](https://x.example/a.png)",
    "![a](https://x.example/a.png \"CANARY\")",
    "[![CANARY](https://x.example/a.png)](https://x.example)",
    "[page](https://x.example \"CANARY\")",
    "[page](https://x.example/CANARY)",
    "<a href='https://x.example/CANARY'>page</a>",
    "<img src='x' alt='CANARY'>",
    "<p title='CANARY'>page</p>",
    "<p data-x='CANARY'>page</p>",
    "<p aria-label='CANARY'>page</p>",
    "<div title='\n\nCANARY\n\n'>page</div>",
    "<div title=\"\n\n- CANARY\n- CANARY\n",
    "<script>CANARY</script>",
    "<SCRIPT>CANARY</SCRIPT>",
    "<style>p { content: 'CANARY' }</style>",
    "<template>CANARY</template>",
    "<svg><text>CANARY</text></svg>",
    "<iframe>CANARY</iframe>",
    "<textarea>CANARY</textarea>",
    "<select><option>CANARY</option></select>",
    "<noscript>CANARY</noscript>",
    "<ruby>page<rp>CANARY</rp></ruby>",
    "```text CANARY\ncode\n```",
    "```mermaid\n%% CANARY\ngraph TD\n```",
    "$\\color{white}{CANARY}$",
    "$$\\phantom{CANARY}$$",
    "</p CANARY>page",
];

/// The word, spelled in characters that are not drawn.
fn spelled_invisibly(base: u32) -> String {
    CANARY
        .bytes()
        .filter_map(|byte| char::from_u32(base + u32::from(byte)))
        .collect()
}

/// An issue of a person who may write, labelled by that person.
fn approved(github: &GitHub, title: &str, body: &str) -> u64 {
    github.create_issue(REPO, title, body, &["whim"])
}

/// Issues that start, and from which the canary has to be removed.
fn issues_with_hidden_parts(github: &GitHub) -> Vec<u64> {
    let mut issues: Vec<u64> = HIDDEN
        .iter()
        .map(|hidden| approved(github, "Say hello", &format!("Please.\n\n{hidden}\n")))
        .collect();
    // Tags, and variation selectors that stand for bytes.
    for base in [0xE0000, 0xE0100] {
        let hidden = spelled_invisibly(base);
        issues.push(approved(github, &format!("Say{hidden} hello"), "Please."));
        issues.push(approved(github, "Say hello", &format!("Please{hidden}.")));
    }
    let by = |login: &str, issue: u64, body: &str| github.by(login).comment(REPO, issue, body);
    for (author, comment) in [
        // Strangers, also with names like those of people who may write.
        (STRANGER, CANARY),
        ("0ctocat", CANARY),
        ("octocat-bot[bot]", CANARY),
        ("octocat", "Hello <!-- CANARY -->"),
    ] {
        let issue = github.create_issue(REPO, "Say hello", "Please.", &[]);
        by(author, issue, comment);
        github.advance_clock(Duration::from_secs(2));
        github.add_label(REPO, issue, "whim");
        issues.push(issue);
    }
    // Comments after the label, and markers that a stranger forged.
    let marker = |ended| {
        let item = WorkItemId::new();
        comment_marker(CommentSubject::Run { item, run: 1, ended })
    };
    for body in [
        CANARY.to_owned(),
        format!("CANARY {}", marker(true)),
        format!("CANARY {}", marker(false)),
        format!("CANARY {}", comment_marker(CommentSubject::NotStarted)),
        "@whim retry CANARY".to_owned(),
        "@whim stop".to_owned(),
    ] {
        let issue = approved(github, "Say hello", "Please.");
        by(STRANGER, issue, &body);
        issues.push(issue);
    }
    issues
}

/// Issues that must not start.
fn issues_of_the_wrong_people(github: &GitHub) -> Vec<u64> {
    let mut issues = Vec::new();
    for login in [
        STRANGER,
        "0ctocat",
        "octocat-",
        "octo-cat",
        "whim-b0t",
        "octocat[bot]",
        "whim-bot[bot]",
        "github-actions[bot]",
        "rita",
        "tina",
    ] {
        // The author may write, and the one who labels may not.
        let issue = github.create_issue(REPO, "Say hello", CANARY, &[]);
        github.by(login).add_label(REPO, issue, "whim");
        issues.push(issue);
    }
    let own = github
        .by(STRANGER)
        .create_issue(REPO, "Say hello", CANARY, &["whim"]);
    // A user who may write labelled it, and a stranger labelled it again.
    let again = github.create_issue(REPO, "Say hello", CANARY, &["whim"]);
    github.by(STRANGER).remove_label(REPO, again, "whim");
    github.by(STRANGER).add_label(REPO, again, "whim");
    let command = github
        .by(STRANGER)
        .create_issue(REPO, "@whim start", CANARY, &["whim"]);
    github.by(STRANGER).comment(REPO, command, "@whim retry");
    issues.extend([own, again, command]);
    issues
}

/// Issues that were edited after they were approved, and must not start.
fn edited_issues(github: &GitHub) -> Vec<u64> {
    let edits: [fn(&GitHub, u64); 5] = [
        |github, issue| github.by(STRANGER).edit_issue(REPO, issue, CANARY),
        |github, issue| github.by(STRANGER).rename_issue(REPO, issue, CANARY),
        |github, issue| github.edit_issue(REPO, issue, CANARY),
        |github, issue| {
            github.by(STRANGER).edit_issue(REPO, issue, CANARY);
            github.by(STRANGER).edit_issue(REPO, issue, "Please. CANARY");
        },
        |github, issue| {
            github.by(STRANGER).edit_issue(REPO, issue, CANARY);
            // Another label afterwards approves nothing.
            github.add_label(REPO, issue, "bug");
        },
    ];
    let edit = |edit: &fn(&GitHub, u64)| {
        let issue = github
            .by(STRANGER)
            .create_issue(REPO, "Say hello", "Please.", &[]);
        github.add_label(REPO, issue, "whim");
        edit(github, issue);
        issue
    };
    edits.iter().map(edit).collect()
}

#[tokio::test]
async fn nothing_of_a_hostile_issue_reaches_the_model_or_runs() {
    let mut world = World::new().await;
    let github = &world.github;
    github.set_role(REPO, "rita", Role::Read);
    github.set_role(REPO, "tina", Role::Triage);
    // An app that may write is no person.
    github.set_role(REPO, "whim-bot[bot]", Role::Write);
    let started = issues_with_hidden_parts(github);
    let refused = issues_of_the_wrong_people(github);
    let edited = edited_issues(github);
    assert!(started.len() + refused.len() + edited.len() >= 60);
    world.set("SPEC_CONCURRENCY", "16");
    world.start();

    for issue in &started {
        let item = world.until_status(*issue, WorkItemStatus::Queued).await;
        let item = serde_json::to_string(&item).unwrap();
        assert!(!item.contains(CANARY), "{item}");
    }
    for issue in &refused {
        world.until_labelled(*issue, &["whim", "ai-refused"]).await;
    }
    for issue in &edited {
        let is_asked_again = |world: &World| !world.labels(*issue).contains(&"whim".to_owned());
        world.until("the label to be removed", is_asked_again).await;
    }
    world.until_polled_twice().await;
    assert_eq!(world.orchestrator.items().len(), started.len());
    let requests = world.anthropic.requests();
    assert_eq!(requests.len(), started.len());
    for request in requests {
        let body = request.body.to_string();
        assert!(!body.contains(CANARY), "{body}");
        let is_invisible =
            |character: char| matches!(u32::from(character), 0xE0000..=0xE0FFF | 0x200B..=0x200F);
        assert!(!body.chars().any(is_invisible), "{body}");
    }
}
