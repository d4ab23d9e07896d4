//! The fake with octocrab, the client that Whim uses.

use octocrab::models::{self, IssueState};
use octocrab::params;
use whim_testkit::github::{BOT, State};

use super::{SHOP, github_with_shop, octocrab_at, octocrab_for};

#[tokio::test]
async fn issues_with_a_label_are_listed_over_several_pages() {
    let github = github_with_shop().await;
    let mut expected = Vec::new();
    for index in 0..7 {
        let labels: &[&str] = if index % 3 == 2 {
            &["bug"]
        } else {
            &["bug", "Whim"]
        };
        let number = github.create_issue(SHOP, &format!("Issue {index}"), "Text", labels);
        if labels.len() == 2 {
            expected.push(number);
        }
    }
    let octocrab = octocrab_for(&github);

    let first = octocrab
        .issues("acme", "shop")
        .list()
        .labels(&["whim".to_owned()])
        .state(params::State::Open)
        .direction(params::Direction::Ascending)
        .per_page(2)
        .send()
        .await
        .unwrap();
    assert_eq!((first.items.len(), first.number_of_pages()), (2, Some(3)));
    let issues = octocrab.all_pages::<models::issues::Issue>(first).await.unwrap();

    assert_eq!(
        issues.iter().map(|issue| issue.number).collect::<Vec<_>>(),
        expected
    );
    assert_eq!(issues[0].state, IssueState::Open);
    assert_eq!(issues[0].user.login, "octocat");
    let lists = github.count_requests(&reqwest::Method::GET, "/repos/acme/shop/issues");
    assert_eq!(lists, 3);
}

#[tokio::test]
async fn labels_are_added_and_removed() {
    let github = github_with_shop().await;
    let number = github.create_issue(SHOP, "Sell tea", "Please.", &["whim"]);
    let octocrab = octocrab_for(&github);
    let issues = octocrab.issues("acme", "shop");

    let added = issues
        .add_labels(number, &["ai-processing".to_owned(), "WHIM".to_owned()])
        .await
        .unwrap();
    assert_eq!(
        added.iter().map(|label| label.name.as_str()).collect::<Vec<_>>(),
        ["whim", "ai-processing"]
    );
    let left = issues.remove_label(number, "ai-processing").await.unwrap();
    assert_eq!(
        left.iter().map(|label| label.name.as_str()).collect::<Vec<_>>(),
        ["whim"]
    );

    assert_eq!(github.issue(SHOP, number).labels, ["whim"]);
    assert_eq!(github.labels(SHOP), ["whim", "ai-processing"]);
    let missing = issues.remove_label(number, "ai-processing").await.unwrap_err();
    assert!(
        format!("{missing:?}").contains("Label does not exist"),
        "{missing:?}"
    );
}

#[tokio::test]
async fn labels_of_a_repository_are_created_and_found() {
    let github = github_with_shop().await;
    let octocrab = octocrab_for(&github);
    let issues = octocrab.issues("acme", "shop");

    issues
        .create_label("priority:high", "b60205", "Soon")
        .await
        .unwrap();
    let label = issues.get_label("priority:high").await.unwrap();
    assert_eq!(
        (label.color.as_str(), label.description.as_deref()),
        ("b60205", Some("Soon"))
    );
    let listed = issues.list_labels_for_repo().send().await.unwrap();
    assert_eq!(listed.items.len(), 1);
    assert!(issues.create_label("Priority:High", "b60205", "").await.is_err());
}

#[tokio::test]
async fn comments_are_written_listed_and_changed() {
    let github = github_with_shop().await;
    let number = github.create_issue(SHOP, "Sell tea", "Please.", &[]);
    github.comment(SHOP, number, "First!");
    let octocrab = octocrab_for(&github);
    let issues = octocrab.issues("acme", "shop");

    let comment = issues
        .create_comment(number, "<!-- whim:1 --> Working on it")
        .await
        .unwrap();
    // octocrab's `update_comment` sends a POST, which GitHub's description does not have.
    let route = format!("/repos/acme/shop/issues/comments/{}", comment.id);
    let body = serde_json::json!({ "body": "<!-- whim:1 --> Done" });
    let changed: models::issues::Comment = octocrab.patch(route, Some(&body)).await.unwrap();
    assert_eq!(changed.body.as_deref(), Some("<!-- whim:1 --> Done"));
    let listed = issues.list_comments(number).per_page(1).send().await.unwrap();
    let comments = octocrab
        .all_pages::<models::issues::Comment>(listed)
        .await
        .unwrap();

    let bodies: Vec<_> = comments
        .iter()
        .map(|comment| comment.body.as_deref().unwrap())
        .collect();
    assert_eq!(bodies, ["First!", "<!-- whim:1 --> Done"]);
    let seen = github.issue(SHOP, number).comments;
    assert_eq!(
        (seen[1].author.as_str(), seen[1].body.as_str()),
        (BOT, "<!-- whim:1 --> Done")
    );
}

#[tokio::test]
async fn pull_requests_are_opened_as_drafts_or_not_and_found_by_their_head() {
    let github = github_with_shop().await;
    github.commit_files(SHOP, "whim/2-coffee", "Sell coffee", &[("coffee.txt", "black\n")]);
    let octocrab = octocrab_for(&github);
    let pulls = octocrab.pulls("acme", "shop");

    let ready = pulls
        .create("Sell tea", "feature", "main")
        .body("Closes #7")
        .send()
        .await
        .unwrap();
    let draft = pulls
        .create("Sell coffee", "whim/2-coffee", "main")
        .draft(true)
        .send()
        .await
        .unwrap();
    assert_eq!((ready.draft, draft.draft), (Some(false), Some(true)));

    let found = pulls
        .list()
        .head("acme:whim/2-coffee")
        .state(params::State::All)
        .send()
        .await
        .unwrap();
    assert_eq!(
        found.items.iter().map(|pull| pull.number).collect::<Vec<_>>(),
        [draft.number]
    );
    let none = pulls.list().head("acme:whim/3-milk").send().await.unwrap();
    assert!(none.items.is_empty());

    let pull = pulls.get(ready.number).await.unwrap();
    assert_eq!(
        (pull.mergeable, pull.changed_files, pull.additions),
        (Some(true), Some(1), Some(1))
    );
    let seen = github.pulls(SHOP);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].body.as_deref(), Some("Closes #7"));
    assert_eq!(
        (seen[1].head.as_str(), seen[1].base.as_str()),
        ("whim/2-coffee", "main")
    );
    assert_eq!((seen[1].draft, seen[1].state), (true, State::Open));
}

#[tokio::test]
async fn the_refusal_of_a_second_pull_request_has_the_message_of_github() {
    let github = github_with_shop().await;
    let octocrab = octocrab_for(&github);
    let pulls = octocrab.pulls("acme", "shop");
    pulls.create("Sell tea", "feature", "main").send().await.unwrap();

    let octocrab::Error::GitHub { source, .. } =
        pulls.create("Again", "feature", "main").send().await.unwrap_err()
    else {
        panic!("the refusal has GitHub's format");
    };

    assert_eq!(
        (source.status_code.as_u16(), source.message.as_str()),
        (422, "Validation Failed")
    );
    let errors = source.errors.unwrap();
    assert_eq!(
        errors[0]["message"],
        "A pull request already exists for acme:feature."
    );
}

#[tokio::test]
async fn repository_branch_reference_user_and_limit_are_served() {
    let github = github_with_shop().await;
    let octocrab = octocrab_for(&github);

    let repository = octocrab.repos("acme", "shop").get().await.unwrap();
    assert_eq!(repository.default_branch.as_deref(), Some("main"));
    assert_eq!(repository.clone_url.unwrap().as_str(), github.clone_url(SHOP));
    let reference = params::repos::Reference::Branch("feature".to_owned());
    let reference = octocrab.repos("acme", "shop").get_ref(&reference).await.unwrap();
    let models::repos::Object::Commit { sha, .. } = reference.object else {
        panic!("a branch is a commit")
    };
    assert_eq!(Some(sha), github.branch_head(SHOP, "feature"));
    assert_eq!(octocrab.current().user().await.unwrap().login, BOT);
    assert_eq!(octocrab.ratelimit().get().await.unwrap().rate.limit, 5_000);
}

#[tokio::test]
async fn everything_is_also_below_the_prefix_of_github_enterprise() {
    let github = github_with_shop().await;
    for index in 0..3 {
        github.create_issue(SHOP, &format!("Issue {index}"), "Text", &["whim"]);
    }
    let octocrab = octocrab_at(&github.enterprise_api_url(), github.token());

    let first = octocrab
        .issues("acme", "shop")
        .list()
        .per_page(2)
        .send()
        .await
        .unwrap();
    let issues = octocrab.all_pages::<models::issues::Issue>(first).await.unwrap();

    assert_eq!(issues.len(), 3);
    assert!(
        github
            .requests()
            .iter()
            .all(|request| request.path == "/repos/acme/shop/issues")
    );
}
