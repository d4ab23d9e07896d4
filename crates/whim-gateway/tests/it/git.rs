//! The real git client through the gateway, to a real repository behind the fake of GitHub.

use bytes::Bytes;
use futures::stream;
use whim_testkit::git;

use crate::world::{self, BRANCH, DELIVERY, REPO, World};

fn refspec(source: &str) -> String {
    format!("{source}:refs/heads/{BRANCH}")
}

#[tokio::test]
async fn the_repository_is_cloned_and_the_branch_is_pushed() {
    let world = World::new().await;
    let clone = world.clone_with_commit("clone").await;
    assert_eq!(clone.read("HEAD", "README.md").unwrap().unwrap(), "# Shop\n");
    world.push(&clone, &[&refspec("HEAD")]).await.succeeded();
    let head = clone.head().unwrap();
    assert_eq!(world.github.branch_head(REPO, BRANCH), Some(head));

    // And a second commit, from the head that the gateway pushed itself.
    clone
        .commit_files("Sell coffee", &[("coffee.txt", "coffee\n")])
        .unwrap();
    world.push(&clone, &[&refspec("HEAD")]).await.succeeded();
    assert_eq!(
        world.github.branch_head(REPO, BRANCH),
        Some(clone.head().unwrap())
    );
    // GitHub has seen its own token, and never that of the attempt.
    let requests = world.github.requests();
    assert!(!requests.is_empty());
    assert!(
        requests
            .iter()
            .all(|request| request.login.as_deref() == Some("whim-bot"))
    );
}

#[tokio::test]
async fn each_version_of_the_protocol_fetches() {
    let world = World::new().await;
    let clone = world.clone_with_commit("clone").await;
    let remote = world.remote(DELIVERY, REPO);
    for version in ["0", "1", "2"] {
        let setting = format!("protocol.version={version}");
        let output = world
            .git(&clone, &["-c", &setting, "fetch", &remote, "main"])
            .await;
        output.succeeded();
    }
}

#[tokio::test]
async fn a_large_push_is_sent_in_pieces() {
    let world = World::new().await;
    let clone = world.clone_with_commit("clone").await;
    let noise: String = (0..120_000u32)
        .map(|number| format!("{:08x}", number.wrapping_mul(2_654_435_761)))
        .collect();
    clone.commit_files("Add noise", &[("noise.txt", &noise)]).unwrap();
    // Beyond this size git probes first, and sends chunks.
    let remote = world.remote(DELIVERY, REPO);
    let refspec = refspec("HEAD");
    let arguments = ["-c", "http.postBuffer=65536", "push", &remote, &refspec];
    world.git(&clone, &arguments).await.succeeded();
    assert_eq!(
        world.github.branch_head(REPO, BRANCH),
        Some(clone.head().unwrap())
    );
}

#[tokio::test]
async fn own_commits_may_be_amended() {
    let world = World::new().await;
    let clone = world.clone_with_commit("clone").await;
    world.push(&clone, &[&refspec("HEAD")]).await.succeeded();
    clone
        .run(["commit", "--quiet", "--amend", "--message", "Sell better tea"])
        .unwrap();
    world
        .push(&clone, &["--force", &refspec("HEAD")])
        .await
        .succeeded();
    assert_eq!(
        world.github.branch_head(REPO, BRANCH),
        Some(clone.head().unwrap())
    );
}

#[tokio::test]
async fn a_branch_is_started_again_from_the_head_that_the_orchestrator_knows() {
    let world = World::new().await;
    let delivered = world
        .github
        .commit_files(REPO, BRANCH, "Delivered before", &[("old.txt", "old\n")]);
    world.knows_head(&delivered);
    let clone = world.clone_with_commit("clone").await;
    world
        .push(&clone, &["--force", &refspec("HEAD")])
        .await
        .succeeded();
    assert_eq!(
        world.github.branch_head(REPO, BRANCH),
        Some(clone.head().unwrap())
    );
}

#[tokio::test]
async fn work_continues_on_a_commit_of_somebody_else_and_never_replaces_it() {
    let world = World::new().await;
    let clone = world.clone_with_commit("clone").await;
    let theirs = world
        .github
        .commit_files(REPO, BRANCH, "A person's commit", &[("theirs.txt", "x\n")]);
    let push = world.push(&clone, &["--force", &refspec("HEAD")]).await;
    push.failed_with("the push must be a fast-forward");
    assert_eq!(
        world.github.branch_head(REPO, BRANCH).as_deref(),
        Some(theirs.as_str())
    );

    let remote = world.remote(DELIVERY, REPO);
    world.git(&clone, &["fetch", &remote, BRANCH]).await.succeeded();
    clone.run(["reset", "--quiet", "--hard", "FETCH_HEAD"]).unwrap();
    for number in 0..3 {
        let name = format!("{number}.txt");
        clone
            .commit_files(&format!("Go on {number}"), &[(&name, "x\n")])
            .unwrap();
    }
    world.push(&clone, &[&refspec("HEAD")]).await.succeeded();
    assert_eq!(
        world.github.branch_head(REPO, BRANCH),
        Some(clone.head().unwrap())
    );
}

#[tokio::test]
async fn a_renamed_repository_is_found() {
    let world = World::new().await;
    let clone = world.clone_with_commit("clone").await;
    world.github.move_repository(REPO, "globex/store");
    world.push(&clone, &[&refspec("HEAD")]).await.succeeded();
    let head = clone.head().unwrap();
    assert_eq!(world.github.branch_head("globex/store", BRANCH), Some(head));
}

#[tokio::test]
async fn a_push_may_arrive_byte_by_byte() {
    let world = World::new().await;
    let clone = world.clone_with_commit("clone").await;
    let head = clone.head().unwrap();
    let mut command = git::command(clone.directory());
    command.args(["pack-objects", "--revs", "--stdout", "--quiet"]);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let revisions = format!("{head}\n^origin/main\n");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), revisions.as_bytes()).unwrap();
    let pack = child.wait_with_output().unwrap().stdout;
    let body = world::push_body(&"0".repeat(40), &head, &pack);
    let bytes = body
        .into_iter()
        .map(|byte| Ok::<_, std::io::Error>(Bytes::from(vec![byte])));
    let body = reqwest::Body::wrap_stream(stream::iter(bytes));
    let text = world.push_raw(body).await;
    assert!(
        text.contains("unpack ok") && text.contains(&format!("ok refs/heads/{BRANCH}")),
        "{text:?}"
    );
    assert_eq!(world.github.branch_head(REPO, BRANCH), Some(head));
}
