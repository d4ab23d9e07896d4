//! GitHub's REST API through the gateway.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{AGENT, BRANCH, DELIVERY, REPO, World};

impl World {
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let request = self
            .request(method, &format!("/github/{path}"))
            .bearer_auth(DELIVERY);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn open_pull(&self) -> Value {
        let proposal = json!({ "title": "Tea", "body": "b", "head": BRANCH, "base": "main", "draft": false });
        let (status, pull) = self
            .call(Method::POST, &format!("repos/{REPO}/pulls"), Some(&proposal))
            .await;
        assert!(status.is_success(), "{pull}");
        pull
    }
}

fn draft(id: &Value, mutation: &str) -> Value {
    let query = format!(
        "mutation($id: ID!) {{ {mutation}(input: {{pullRequestId: $id}}) {{ pullRequest {{ isDraft }} }} }}"
    );
    json!({ "query": query, "variables": { "id": id } })
}

#[tokio::test]
async fn a_delivery_finds_opens_and_updates_its_pull_request() {
    let world = World::new().await;
    world
        .github
        .commit_files(REPO, BRANCH, "Sell tea", &[("tea.txt", "tea\n")]);
    let (_, user) = world.call(Method::GET, "user?", None).await;
    assert_eq!(user["login"], "whim-bot");
    let (_, repository) = world.call(Method::GET, &format!("repos/{REPO}?"), None).await;
    // Nothing else, for example no `temp_clone_token`.
    assert_eq!(
        repository,
        json!({ "full_name": REPO, "owner": { "login": "acme" } })
    );

    let list = format!(
        "repos/{REPO}/pulls?state=open&head=acme%3A{}",
        BRANCH.replace('/', "%2F")
    );
    assert_eq!(
        world.call(Method::GET, &list, None).await,
        (StatusCode::OK, json!([]))
    );
    let pull = world.open_pull().await;
    let (_, listed) = world.call(Method::GET, &list, None).await;
    assert_eq!(listed, json!([pull]));

    let texts = json!({ "title": "More tea", "body": "c" });
    let path = format!("repos/{REPO}/pulls/{}", pull["number"]);
    assert_eq!(
        world.call(Method::PATCH, &path, Some(&texts)).await.0,
        StatusCode::OK
    );
    let (status, answer) = world
        .call(
            Method::POST,
            "graphql",
            Some(&draft(&pull["node_id"], "convertPullRequestToDraft")),
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let pulls = world.github.pulls(REPO);
    assert_eq!((pulls[0].title.as_str(), pulls[0].draft), ("More tea", true));
    world
        .call(
            Method::POST,
            "graphql",
            Some(&draft(&pull["node_id"], "markPullRequestReadyForReview")),
        )
        .await;
    assert!(!world.github.pulls(REPO)[0].draft);
}

#[tokio::test]
async fn a_delivery_comments_on_its_own_pull_request_only() {
    let world = World::new().await;
    world
        .github
        .commit_files(REPO, BRANCH, "Sell tea", &[("tea.txt", "tea\n")]);
    let issue = world.github.create_issue(REPO, "Tea", "Sell it", &[]);
    let pull = world.open_pull().await;
    let comment = json!({ "body": "The new report" });

    let path = format!("repos/{REPO}/issues/{}/comments", pull["number"]);
    let (status, answer) = world.call(Method::POST, &path, Some(&comment)).await;
    assert!(status.is_success(), "{answer}");
    // Nothing else of GitHub's answer.
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");

    let path = format!("repos/{REPO}/issues/{issue}/comments");
    let (status, answer) = world.call(Method::POST, &path, Some(&comment)).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
    assert_eq!(world.github.issue(REPO, issue).comments.len(), 0);
}

#[tokio::test]
async fn the_rules_of_the_own_branch_are_read_and_no_others() {
    let world = World::new().await;
    let branch = BRANCH.replace('/', "%2F");
    let path = format!("repos/{REPO}/rules/branches/{branch}?per_page=100");
    assert_eq!(
        world.call(Method::GET, &path, None).await,
        (StatusCode::OK, json!([]))
    );
    for other in ["main", "whim%2Fother"] {
        let path = format!("repos/{REPO}/rules/branches/{other}?per_page=100");
        assert_eq!(
            world.call(Method::GET, &path, None).await.0,
            StatusCode::FORBIDDEN
        );
    }
    let (status, user) = world.call(Method::GET, "users/alice", None).await;
    assert_eq!(status, StatusCode::OK, "{user}");
    let fields: Vec<&String> = user.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["id", "login"]);
}

#[tokio::test]
async fn a_renamed_repository_is_found_under_both_names() {
    let world = World::new().await;
    world
        .github
        .commit_files(REPO, BRANCH, "Sell tea", &[("tea.txt", "tea\n")]);
    world.github.move_repository(REPO, "globex/store");
    for name in [REPO, "globex/store"] {
        let (status, found) = world.call(Method::GET, &format!("repos/{name}"), None).await;
        assert_eq!(
            (status, &found["full_name"]),
            (StatusCode::OK, &json!("globex/store"))
        );
    }
    let pull = world.open_pull().await;
    assert_eq!(world.github.pulls("globex/store").len(), 1);
    let texts = json!({ "title": "More tea", "body": "c" });
    let path = format!("repos/globex/store/pulls/{}", pull["number"]);
    assert_eq!(
        world.call(Method::PATCH, &path, Some(&texts)).await.0,
        StatusCode::OK
    );
}

// docs/attacks.md, rows 11 and 20.
#[tokio::test]
async fn whatever_is_no_delivery_is_refused() {
    let world = World::new().await;
    world
        .github
        .create_repository("acme/other", &[("README.md", "x\n")]);
    world
        .github
        .commit_files("acme/other", BRANCH, "x", &[("x", "x\n")]);
    world
        .github
        .commit_files(REPO, BRANCH, "Sell tea", &[("tea.txt", "tea\n")]);
    world.github.commit_files(REPO, "theirs", "x", &[("x", "x\n")]);
    let theirs = world.github.create_pull(REPO, "theirs", "main", "A person's");
    let proposal =
        |head: &str| json!({ "title": "t", "body": "b", "head": head, "base": "main", "draft": false });
    let texts = json!({ "title": "t", "body": "b" });
    let with_field = |name: &str, value: Value| {
        let mut body = texts.clone();
        body[name] = value;
        body
    };
    let own = world.open_pull().await;
    let own_path = format!("repos/{REPO}/pulls/{}", own["number"]);
    let before = world.github.pulls(REPO);
    for (method, path, body) in [
        (Method::POST, "gists".to_owned(), json!({ "files": {} })),
        (Method::POST, format!("repos/{REPO}/pulls"), proposal("theirs")),
        (
            Method::POST,
            format!("repos/{REPO}/pulls"),
            proposal("acme:theirs"),
        ),
        (
            Method::POST,
            "repos/acme/other/pulls".to_owned(),
            proposal(BRANCH),
        ),
        (
            Method::PATCH,
            format!("repos/{REPO}/pulls/{theirs}"),
            texts.clone(),
        ),
        (
            Method::PATCH,
            own_path.clone(),
            with_field("state", json!("closed")),
        ),
        (
            Method::PATCH,
            own_path.clone(),
            with_field("base", json!("theirs")),
        ),
        (Method::PUT, format!("{own_path}/merge"), json!({})),
        (
            Method::POST,
            format!("repos/{REPO}/issues/1/comments"),
            json!({ "body": "x" }),
        ),
        (
            Method::POST,
            format!("repos/{REPO}/git/refs"),
            json!({ "ref": "refs/heads/x", "sha": "0" }),
        ),
        (
            Method::POST,
            "graphql".to_owned(),
            json!({ "query": "{ viewer { login } }", "variables": { "id": "x" } }),
        ),
        (
            Method::POST,
            "graphql".to_owned(),
            draft(&json!("PR_of_somebody"), "convertPullRequestToDraft"),
        ),
        (Method::GET, "repos/acme/other".to_owned(), Value::Null),
        (
            Method::GET,
            format!("repos/{REPO}/pulls?state=open&head=acme:theirs"),
            Value::Null,
        ),
        (
            Method::GET,
            format!("repos/{REPO}/contents/README.md"),
            Value::Null,
        ),
        (Method::GET, "user/repos".to_owned(), Value::Null),
    ] {
        let (status, answer) = world.call(method.clone(), &path, Some(&body)).await;
        let is_refused = status == StatusCode::FORBIDDEN || status == StatusCode::BAD_REQUEST;
        assert!(is_refused, "{method} {path}: {status} {answer}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.starts_with("Whim's gateway: "), "{message}");
    }
    assert_eq!(format!("{before:?}"), format!("{:?}", world.github.pulls(REPO)));
}

#[tokio::test]
async fn only_the_tokens_of_running_workers_are_accepted() {
    let world = World::new().await;
    for (token, expected) in [
        ("guessed", StatusCode::FORBIDDEN),
        (AGENT, StatusCode::FORBIDDEN),
        (world.github.token(), StatusCode::FORBIDDEN),
    ] {
        let request = world.request(Method::GET, "/github/user").bearer_auth(token);
        assert_eq!(request.send().await.unwrap().status(), expected);
    }
    let without = world.request(Method::GET, "/github/user").send().await.unwrap();
    assert_eq!(without.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn errors_of_github_keep_their_message() {
    let world = World::new().await;
    // There is no such branch.
    let proposal = json!({ "title": "t", "body": "b", "head": BRANCH, "base": "main", "draft": false });
    let (status, answer) = world
        .call(Method::POST, &format!("repos/{REPO}/pulls"), Some(&proposal))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    assert_eq!(answer["message"], "Validation Failed");
}
