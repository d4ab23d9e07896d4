use tempfile::TempDir;

use super::{Commit, Repository};

fn scratch() -> (TempDir, Repository) {
    let directory = TempDir::new().unwrap();
    let repository = Repository::init(directory.path().join("tree")).unwrap();
    (directory, repository)
}

#[test]
fn the_same_steps_give_the_same_hashes() {
    let hashes: Vec<String> = (0..2)
        .map(|_run| {
            scratch()
                .1
                .commit_files("Start", &[("a.txt", "1\n"), ("b/c.txt", "2")])
                .unwrap()
        })
        .collect();
    assert_eq!(hashes, ["37b9c68374bdd357684a17b3886963c9b209b28c"; 2]);
}

#[test]
fn files_are_read_back_to_the_byte() {
    let (_directory, repository) = scratch();
    repository
        .commit_files("Start", &[("a.txt", "1\n\n"), ("b/c.txt", "2")])
        .unwrap();

    assert_eq!(
        repository.read("main", "a.txt").unwrap().as_deref(),
        Some("1\n\n")
    );
    assert_eq!(repository.read("main", "b/c.txt").unwrap().as_deref(), Some("2"));
    assert_eq!(repository.read("main", "b").unwrap(), None);
    assert_eq!(repository.read("main", "none").unwrap(), None);
    assert_eq!(repository.read("none", "a.txt").unwrap(), None);
}

#[test]
fn branches_and_their_logs_are_listed_newest_first() {
    let (_directory, repository) = scratch();
    let start = repository.commit("Start").unwrap();
    repository.create_branch("topic/one").unwrap();
    repository.commit("Second\n\nWith a body\nof two lines.").unwrap();
    let third = repository.commit("Third").unwrap();
    repository.switch("main").unwrap();

    let log = repository.log("main..topic/one").unwrap();
    let commit = |subject: &str, body: &str| (subject.to_owned(), body.to_owned());
    let shown: Vec<_> = log
        .into_iter()
        .map(|Commit { subject, body, .. }| (subject, body))
        .collect();
    assert_eq!(
        shown,
        [
            commit("Third", ""),
            commit("Second", "With a body\nof two lines.")
        ]
    );
    let branches = repository.branches().unwrap();
    assert_eq!(
        branches.into_iter().collect::<Vec<_>>(),
        [
            ("main".to_owned(), start.clone()),
            ("topic/one".to_owned(), third),
        ]
    );
    assert_eq!(repository.head().unwrap(), start);
}

#[test]
fn a_name_that_looks_like_an_option_is_a_name() {
    let (_directory, repository) = scratch();
    repository.commit("Start").unwrap();

    assert_eq!(repository.resolve("--help").unwrap(), None);
    assert!(repository.log("--help").is_err());
    assert!(repository.switch("--help").is_err());
}

#[test]
fn hooks_of_a_repository_do_not_run() {
    let (directory, repository) = scratch();
    let proof = directory.path().join("proof");
    let hook = format!(".git/hooks/{}", "post-commit");
    repository
        .write(&hook, format!("#!/bin/sh\ntouch {}\n", proof.display()))
        .unwrap();
    let hook = repository.directory().join(hook);
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();

    repository.commit("Start").unwrap();

    assert!(!proof.exists());
}

#[test]
fn a_refusal_of_git_says_what_it_was_asked() {
    let (_directory, repository) = scratch();
    let error = repository.run(["switch", "none"]).unwrap_err().to_string();
    assert!(
        error.starts_with("`git switch none` ended with exit status: 128: fatal:"),
        "{error}"
    );
}
