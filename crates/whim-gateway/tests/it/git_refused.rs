//! What git must not do through the gateway. Each push has a control that succeeds past it.

use axum::http::Method;
use whim_testkit::git::Repository;

use crate::world::{self, AGENT, BRANCH, DELIVERY, REPO, World};

/// A push that is refused through the gateway with this reason, that changes nothing, and that GitHub itself accepts.
async fn refused(world: &World, clone: &Repository, arguments: &[&str], reason: &str) {
    let before = world.github.branches(REPO);
    world.push(clone, arguments).await.failed_with(reason);
    assert_eq!(world.github.branches(REPO), before, "{arguments:?}");
    let direct = world.direct_remote();
    let all = [&["push", &direct], arguments].concat();
    world.git(clone, &all).await.succeeded();
}

// docs/attacks.md, rows 11 and 20.
#[tokio::test]
async fn other_refs_are_refused_and_git_prints_the_reason() {
    let world = World::new().await;
    let clone = world.clone_with_commit("clone").await;
    clone.run(["tag", "v1"]).unwrap();
    for (refspec, reason) in [
        ("HEAD:refs/heads/other", "may be pushed, not refs/heads/other"),
        ("HEAD:refs/heads/main", "may be pushed, not refs/heads/main"),
        ("refs/tags/v1", "may be pushed, not refs/tags/v1"),
        (
            "HEAD:refs/heads/whim/7-tea-2",
            "may be pushed, not refs/heads/whim/7-tea-2",
        ),
        ("HEAD:refs/notes/commits", "may be pushed, not refs/notes/commits"),
    ] {
        refused(&world, &clone, &[refspec], reason).await;
    }
    let own = format!("HEAD:refs/heads/{BRANCH}");
    refused(
        &world,
        &clone,
        &[&own, "HEAD:refs/heads/second"],
        "may be pushed, not refs/heads/second",
    )
    .await;
}

#[tokio::test]
async fn the_branch_is_never_deleted() {
    let world = World::new().await;
    let clone = world.clone_with_commit("clone").await;
    let branch = format!("refs/heads/{BRANCH}");
    world.push(&clone, &[&format!("HEAD:{branch}")]).await.succeeded();
    refused(
        &world,
        &clone,
        &[&format!(":{branch}")],
        "the branch may not be deleted",
    )
    .await;
}

/// A pack without objects, which git sends if GitHub has them all.
const EMPTY_PACK: &[u8] =
    b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e";

/// The attempt's branch is at its commit, and then at one of a person. Returns both.
async fn with_commit_of_a_person(world: &World, clone: &Repository) -> (String, String) {
    let own = format!("HEAD:refs/heads/{BRANCH}");
    world.push(clone, &[&own]).await.succeeded();
    let theirs = world
        .github
        .commit_files(REPO, BRANCH, "A person's commit", &[("theirs.txt", "x\n")]);
    (clone.head().unwrap(), theirs)
}

async fn replacing_is_refused(world: &World, clone: &Repository, theirs: &str) {
    clone
        .run(["commit", "--quiet", "--amend", "--message", "Sell better tea"])
        .unwrap();
    let own = format!("HEAD:refs/heads/{BRANCH}");
    let push = world.push(clone, &["--force", &own]).await;
    push.failed_with("the push must be a fast-forward");
    assert_eq!(world.github.branch_head(REPO, BRANCH).as_deref(), Some(theirs));
}

#[tokio::test]
async fn a_push_that_changes_nothing_does_not_make_a_head_the_attempts_own() {
    let world = World::new().await;
    let clone = world.clone_with_commit("clone").await;
    let (_, theirs) = with_commit_of_a_person(&world, &clone).await;
    let report = world
        .push_raw(world::push_body(&theirs, &theirs, EMPTY_PACK))
        .await;
    let reason = format!("ng refs/heads/{BRANCH} Whim: refs/heads/{BRANCH} is at {theirs} already");
    assert!(report.contains(&reason), "{report:?}");
    replacing_is_refused(&world, &clone, &theirs).await;
}

#[tokio::test]
async fn a_push_that_github_refused_does_not_make_a_head_the_attempts_own() {
    let world = World::new().await;
    let clone = world.clone_with_commit("clone").await;
    let (own, theirs) = with_commit_of_a_person(&world, &clone).await;
    // The branch is not where the push says any more.
    let report = world.push_raw(world::push_body(&own, &theirs, EMPTY_PACK)).await;
    let refusal = format!("ng refs/heads/{BRANCH}");
    assert!(
        report.contains(&refusal) && !report.contains("Whim:"),
        "{report:?}"
    );
    replacing_is_refused(&world, &clone, &theirs).await;
}

#[tokio::test]
async fn what_follows_a_pack_that_must_prove_a_fast_forward_is_refused() {
    let world = World::new().await;
    let clone = world.clone_with_commit("clone").await;
    let (own, theirs) = with_commit_of_a_person(&world, &clone).await;
    for (pack, reason) in [
        ([EMPTY_PACK, b"x"].concat(), "something follows it"),
        (EMPTY_PACK[..EMPTY_PACK.len() - 1].to_vec(), "it ends too early"),
        (Vec::new(), "it ends too early"),
    ] {
        let report = world.push_raw(world::push_body(&theirs, &own, &pack)).await;
        assert!(report.contains(reason), "{report:?}");
    }
    assert_eq!(
        world.github.branch_head(REPO, BRANCH).as_deref(),
        Some(theirs.as_str())
    );
}

#[tokio::test]
async fn push_options_are_refused() {
    let world = World::new().await;
    let bare = world.github.bare_repository(REPO);
    bare.run(["config", "receive.advertisePushOptions", "true"])
        .unwrap();
    let clone = world.clone_with_commit("clone").await;
    let own = format!("HEAD:refs/heads/{BRANCH}");
    refused(
        &world,
        &clone,
        &["-o", "x=y", &own],
        "push options are not supported",
    )
    .await;
}

#[tokio::test]
async fn a_push_that_is_too_large_is_refused_with_the_setting() {
    let world = World::with(&[("GATEWAY_MAX_PUSH_MEGABYTES", "1")]).await;
    let clone = world.clone_with_commit("clone").await;
    let mut state = 88_172_645_463_325_252_u64;
    let noise: String = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{state:016x}")
    })
    .take(250_000)
    .collect();
    clone.commit_files("Add noise", &[("noise.txt", &noise)]).unwrap();
    let own = format!("HEAD:refs/heads/{BRANCH}");
    refused(&world, &clone, &[&own], "GATEWAY_MAX_PUSH_MEGABYTES").await;
}

#[tokio::test]
async fn other_repositories_cannot_even_be_read() {
    let world = World::new().await;
    world.github.create_repository("acme/secrets", &[("key", "x\n")]);
    let clone = world.clone_with_commit("clone").await;
    for repo in ["acme/secrets", "evil/shop"] {
        let remote = world.remote(DELIVERY, repo);
        let output = world.git(&clone, &["ls-remote", &remote]).await;
        output.failed_with("403");
    }
    let direct = world.direct_remote().replace("acme/shop", "acme/secrets");
    world.git(&clone, &["ls-remote", &direct]).await.succeeded();
    // The name of the own repository, as GitHub compares it.
    let remote = world.remote(DELIVERY, "ACME/Shop");
    world.git(&clone, &["ls-remote", &remote]).await.succeeded();
}

#[tokio::test]
async fn only_the_tokens_of_running_workers_are_accepted() {
    let world = World::new().await;
    let clone = world.clone_with_commit("clone").await;
    for token in ["guessed", AGENT, world.github.token()] {
        let output = world
            .git(&clone, &["ls-remote", &world.remote(token, REPO)])
            .await;
        output.failed_with("403");
    }
    let without = format!("http://{}/git/{REPO}.git", world.address);
    let output = world.git(&clone, &["ls-remote", &without]).await;
    output.failed_with("could not read Username");

    world.lookup.remove(DELIVERY);
    let own = format!("HEAD:refs/heads/{BRANCH}");
    world.push(&clone, &[&own]).await.failed_with("403");
    assert_eq!(world.github.branch_head(REPO, BRANCH), None);
}

#[tokio::test]
async fn only_smart_http_is_served() {
    let world = World::new().await;
    let get = async |method: Method, path: &str| {
        let path = format!("/git/{REPO}.git/{path}");
        let request = world.request(method, &path).basic_auth("x", Some(DELIVERY));
        request.send().await.unwrap().status().as_u16()
    };
    for path in [
        "HEAD",
        "info/refs",
        "info/refs?service=git-upload-archive",
        "objects/info/packs",
        "config",
        "..%2f..%2facme/secrets.git/info/refs?service=git-upload-pack",
    ] {
        assert_eq!(get(Method::GET, path).await, 404, "{path}");
    }
    assert_eq!(get(Method::POST, "info/lfs/objects/batch").await, 404);
    assert_eq!(get(Method::GET, "info/refs?service=git-upload-pack").await, 200);
}

#[tokio::test]
async fn what_is_no_push_is_refused_before_github_sees_it() {
    let world = World::new().await;
    let before = world.github.requests().len();
    let deletion = format!(
        "{} {} refs/heads/main\0report-status",
        "1".repeat(40),
        "0".repeat(40)
    );
    let second = format!("{:04x}{deletion}", deletion.len() + 4);
    for body in [
        "PACK".to_owned(),
        "0003".to_owned(),
        "00".to_owned(),
        "fff0".repeat(20_000),
        format!("{second}0000"),
        format!("{second}0001"),
        format!("0011shallow 1111{second}0000"),
    ] {
        let request = world
            .request(Method::POST, &format!("/git/{REPO}.git/git-receive-pack"))
            .basic_auth("x", Some(DELIVERY))
            .body(body.clone());
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        let is_reported = status == 200 && text.contains("ng refs/heads/main");
        assert!(
            status == 400 || is_reported,
            "{status} {text:?} for {:?}",
            body.get(..40)
        );
    }
    let compressed = world
        .request(Method::POST, &format!("/git/{REPO}.git/git-receive-pack"))
        .basic_auth("x", Some(DELIVERY))
        .header("content-encoding", "gzip")
        .body("0000");
    assert_eq!(compressed.send().await.unwrap().status(), 400);
    assert_eq!(world.github.requests().len(), before);
}
