//! Real git over HTTP against the fake.

use std::path::Path;
use std::process::Output;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tempfile::TempDir;
use whim_testkit::git::{self, Repository};
use whim_testkit::github::{Fault, GitHub, Permissions};

use super::{Caller, SHOP, github_with_shop};

/// Runs git with a token from askpass, not in an argument.
fn run(directory: &Path, token: Option<&str>, arguments: &[&str]) -> Output {
    let home = TempDir::new().unwrap();
    let mut command = git::command(directory);
    if let Some(token) = token {
        command.env("GIT_ASKPASS", git::write_askpass(home.path(), token).unwrap());
    }
    command.args(arguments).output().unwrap()
}

fn clone(github: &GitHub, directory: &TempDir, token: Option<&str>) -> Output {
    run(
        directory.path(),
        token,
        &["clone", "--quiet", "--", &github.clone_url(SHOP), "shop"],
    )
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A clone with one new commit on `topic`.
fn cloned_with_commit(github: &GitHub, directory: &TempDir) -> Repository {
    let output = clone(github, directory, Some(github.token()));
    assert!(output.status.success(), "{}", stderr(&output));
    let tree = Repository::open(directory.path().join("shop"));
    tree.create_branch("topic").unwrap();
    tree.commit_files("Sell milk", &[("milk.txt", "fresh\n")])
        .unwrap();
    tree
}

fn push(tree: &Repository, token: &str, options: &[&str]) -> Output {
    let arguments = [&["push", "--quiet"], options, &["origin", "topic"]].concat();
    run(tree.directory(), Some(token), &arguments)
}

#[tokio::test]
async fn a_clone_is_pushed_back_with_the_right_token() {
    let github = github_with_shop().await;
    let directory = TempDir::new().unwrap();
    let tree = cloned_with_commit(&github, &directory);
    assert_eq!(
        tree.read("origin/feature", "tea.txt").unwrap().as_deref(),
        Some("green\n")
    );

    let pushed = push(&tree, github.token(), &[]);

    assert!(pushed.status.success(), "{}", stderr(&pushed));
    assert_eq!(github.branch_head(SHOP, "topic"), Some(tree.head().unwrap()));
    assert_eq!(
        github.read_file(SHOP, "topic", "milk.txt").as_deref(),
        Some("fresh\n")
    );
    assert_eq!(github.log(SHOP, "main..topic")[0].subject, "Sell milk");
    let config = std::fs::read_to_string(tree.directory().join(".git/config")).unwrap();
    assert!(!config.contains(github.token()));
    assert!(
        github
            .requests()
            .iter()
            .any(|request| request.path == "/acme/shop.git/git-receive-pack")
    );
}

#[tokio::test]
async fn a_wrong_token_and_none_are_refused() {
    let github = github_with_shop().await;
    let directory = TempDir::new().unwrap();

    let wrong = clone(&github, &directory, Some("ghp_wrong"));
    let none = clone(&github, &directory, None);

    assert!(!wrong.status.success() && !none.status.success());
    assert!(
        stderr(&wrong).contains("Authentication failed"),
        "{}",
        stderr(&wrong)
    );
    assert!(
        github
            .requests()
            .iter()
            .all(|request| request.status == Some(StatusCode::UNAUTHORIZED))
    );
    let plain = Caller::with_token(&github, None);
    let reply = plain
        .get("/acme/shop.git/info/refs?service=git-upload-pack")
        .await;
    assert_eq!(reply.header("www-authenticate"), Some("Basic realm=\"GitHub\""));
}

#[tokio::test]
async fn a_token_that_may_only_read_clones_and_does_not_push() {
    let github = github_with_shop().await;
    let reader = github.create_token("reader", Permissions::READ);
    let hidden = github.create_token("guest", Permissions::NONE);
    let directory = TempDir::new().unwrap();
    let tree = cloned_with_commit(&github, &directory);

    let clone_again = TempDir::new().unwrap();
    assert!(clone(&github, &clone_again, Some(&reader)).status.success());
    let refused = push(&tree, &reader, &[]);
    assert!(!refused.status.success());
    assert!(
        stderr(&refused).contains("Permission to acme/shop.git denied to reader."),
        "{}",
        stderr(&refused)
    );
    assert!(stderr(&refused).contains("403"), "{}", stderr(&refused));
    let unseen = push(&tree, &hidden, &[]);
    assert!(stderr(&unseen).contains("not found"), "{}", stderr(&unseen));
    assert_eq!(github.branch_head(SHOP, "topic"), None);
}

#[tokio::test]
async fn a_dry_run_finds_out_whether_a_token_may_push() {
    let github = github_with_shop().await;
    let reader = github.create_token("reader", Permissions::READ);
    let directory = TempDir::new().unwrap();
    let tree = cloned_with_commit(&github, &directory);

    assert!(push(&tree, github.token(), &["--dry-run"]).status.success());
    assert!(!push(&tree, &reader, &["--dry-run"]).status.success());
    assert_eq!(github.branch_head(SHOP, "topic"), None);
}

#[tokio::test]
async fn a_repository_refuses_pushes_until_they_are_allowed_again() {
    let github = github_with_shop().await;
    let directory = TempDir::new().unwrap();
    let tree = cloned_with_commit(&github, &directory);

    github.refuse_push(SHOP);
    let refused = push(&tree, github.token(), &[]);
    assert!(
        stderr(&refused).contains("remote: error: GH006"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(github.branch_head(SHOP, "topic"), None);

    github.accept_push(SHOP);
    assert!(push(&tree, github.token(), &[]).status.success());
}

#[tokio::test]
async fn a_pull_request_follows_its_branch() {
    let github = github_with_shop().await;
    let directory = TempDir::new().unwrap();
    let tree = cloned_with_commit(&github, &directory);
    assert!(push(&tree, github.token(), &[]).status.success());
    let body = json!({ "title": "Milk", "head": "topic", "base": "main" });
    Caller::of(&github)
        .send(Method::POST, "/repos/acme/shop/pulls", &body)
        .await;
    let before = tree.head().unwrap();
    assert_eq!(github.pulls(SHOP)[0].head_hash, before);

    tree.run(["commit", "--quiet", "--amend", "--message", "Sell fresh milk"])
        .unwrap();
    assert!(!push(&tree, github.token(), &[]).status.success());
    let lease = format!("--force-with-lease=topic:{before}");
    let forced = push(&tree, github.token(), &[&lease]);

    assert!(forced.status.success(), "{}", stderr(&forced));
    assert_eq!(github.pulls(SHOP)[0].head_hash, tree.head().unwrap());
    tree.commit("Sell more").unwrap();
    let stale = push(&tree, github.token(), &[&lease]);
    assert!(stderr(&stale).contains("stale info"), "{}", stderr(&stale));
}

#[tokio::test]
async fn a_push_is_applied_and_its_response_lost() {
    let github = github_with_shop().await;
    let directory = TempDir::new().unwrap();
    let tree = cloned_with_commit(&github, &directory);
    github
        .faults()
        .push(Fault::on(Method::POST, "/{owner}/{repo}.git/git-receive-pack").cut_after());

    let lost = push(&tree, github.token(), &[]);

    assert!(!lost.status.success());
    assert_eq!(github.branch_head(SHOP, "topic"), Some(tree.head().unwrap()));
    assert!(push(&tree, github.token(), &[]).status.success());
}

#[tokio::test]
async fn large_histories_and_shallow_and_partial_clones_work() {
    let github = github_with_shop().await;
    let large = "0123456789abcdef\n".repeat(200_000);
    for index in 0..5 {
        github.commit_files(
            SHOP,
            "main",
            &format!("Step {index}"),
            &[("large.txt", &format!("{index}{large}"))],
        );
    }
    let directory = TempDir::new().unwrap();
    let url = github.clone_url(SHOP);

    for (name, option) in [
        ("whole", "--quiet"),
        ("shallow", "--depth=1"),
        ("partial", "--filter=blob:none"),
    ] {
        let output = run(
            directory.path(),
            Some(github.token()),
            &["clone", "--quiet", option, "--", &url, name],
        );
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let tree = Repository::open(directory.path().join(name));
        let steps = tree.log("HEAD").unwrap().len();
        assert_eq!(steps, if name == "shallow" { 1 } else { 6 }, "{name}");
    }
}

#[tokio::test]
async fn a_push_that_is_larger_than_gits_buffer_is_accepted() {
    let github = github_with_shop().await;
    let directory = TempDir::new().unwrap();
    let tree = cloned_with_commit(&github, &directory);
    // Incompressible: beyond 1 MiB, git probes first and sends its packs with chunked encoding.
    let noise: String = (0_u64..200_000)
        .map(|it| format!("{:x}", it.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    tree.commit_files("Noise", &[("noise.txt", &noise)]).unwrap();

    let pushed = push(&tree, github.token(), &[]);

    assert!(pushed.status.success(), "{}", stderr(&pushed));
    assert_eq!(github.read_file(SHOP, "topic", "noise.txt"), Some(noise));
    let posts = github.count_requests(&Method::POST, "/{owner}/{repo}.git/git-receive-pack");
    assert_eq!(posts, 2, "the probe and the push");
}

#[tokio::test]
async fn only_the_smart_protocol_is_served() {
    let github = github_with_shop().await;
    let caller = Caller::of(&github);

    for path in [
        "/acme/shop.git/HEAD",
        "/acme/shop.git/info/refs",
        "/acme/shop.git/../shop.git/config",
    ] {
        assert_eq!(caller.get(path).await.status, 404, "{path}");
    }
    assert_eq!(
        caller
            .get("/acme/other.git/info/refs?service=git-upload-pack")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_repository_is_created_from_a_directory_unchanged() {
    let github = GitHub::start().await;
    let directory = TempDir::new().unwrap();
    std::fs::create_dir(directory.path().join("src")).unwrap();
    std::fs::write(directory.path().join("src/main.js"), "1\n").unwrap();
    std::fs::write(directory.path().join(".gitignore"), "*.log\n").unwrap();
    std::fs::write(directory.path().join("noise.log"), "x\n").unwrap();

    github.create_repository_from("acme/sample", directory.path());

    assert_eq!(
        github.read_file("acme/sample", "main", "src/main.js").as_deref(),
        Some("1\n")
    );
    assert_eq!(github.read_file("acme/sample", "main", "noise.log"), None);
    assert!(!directory.path().join(".git").exists());
}
