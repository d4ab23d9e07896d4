use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use whim_testkit::git::Repository;

use super::*;

/// A repository with a history of three similar commits and a side branch, and their hashes.
fn history() -> (tempfile::TempDir, Repository, Vec<CommitHash>) {
    let directory = tempfile::tempdir().unwrap();
    let repository = Repository::init(directory.path()).unwrap();
    let mut commits = Vec::new();
    for number in 0..4 {
        let message = format!(
            "Change {number}\n\n{}",
            "The same long words in each message. ".repeat(20)
        );
        let content = format!("{number}\n{}", "line\n".repeat(500));
        commits.push(
            repository
                .commit_files(&message, &[("file.txt", &content)])
                .unwrap(),
        );
    }
    let hashes = commits
        .iter()
        .map(|hash| CommitHash::parse(hash).unwrap())
        .collect();
    (directory, repository, hashes)
}

/// What git sends for a push of `new` to a remote that has `old`.
fn pack(repository: &Repository, arguments: &[&str], revisions: &str) -> Vec<u8> {
    let mut child = Command::new("git")
        .args(["pack-objects", "--revs", "--stdout", "--quiet"])
        .args(arguments)
        .current_dir(repository.directory())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(revisions.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn scanned(pack: &[u8], step: usize) -> PackScanner {
    let mut scanner = PackScanner::new();
    for piece in pack.chunks(step) {
        scanner.read(piece).unwrap();
    }
    scanner
}

#[test]
fn descent_is_proven_by_the_packs_that_git_makes() {
    let (_directory, repository, commits) = history();
    let [root, first, _, last] = commits.as_slice() else {
        panic!("{commits:?}");
    };
    for arguments in [
        &["--thin", "--delta-base-offset"] as &[&str],
        &["--thin"],
        &["--delta-base-offset", "--window=50", "--depth=50"],
    ] {
        let pack = pack(&repository, arguments, &format!("{last}\n^{root}\n"));
        for step in [1, 7, 4096] {
            let scanner = scanned(&pack, step);
            assert_eq!(scanner.end(), Ok(()), "{:?}", scanner.state);
            assert!(scanner.proves_descent(last, root), "{arguments:?} {step}");
            assert!(scanner.proves_descent(last, first));
            assert!(scanner.proves_descent(last, last));
            assert!(!scanner.proves_descent(first, last));
            let other = CommitHash::parse(&"1".repeat(40)).unwrap();
            assert!(!scanner.proves_descent(last, &other));
        }
    }
}

#[test]
fn a_pack_that_skips_commits_proves_nothing() {
    let (_directory, repository, commits) = history();
    let [root, first, second, last] = commits.as_slice() else {
        panic!("{commits:?}");
    };
    // As if the remote had `second` from elsewhere.
    let pack = pack(&repository, &["--thin"], &format!("{last}\n^{second}\n"));
    let scanner = scanned(&pack, 512);
    assert!(scanner.proves_descent(last, second));
    assert!(!scanner.proves_descent(last, first));
    assert!(!scanner.proves_descent(last, root));
}

#[test]
fn a_commit_that_names_itself_elsewhere_is_no_commit() {
    // "parent" in the message, and in a tree line's place.
    let old = "1".repeat(40);
    for content in [
        format!("tree {old}\nauthor x\n\nparent {old}\n"),
        format!("parent {old}\ntree {old}\n"),
        format!("tree {old}\nparent {old}x\n"),
    ] {
        assert!(parents_of(content.as_bytes()).is_empty(), "{content}");
    }
    let commit = format!("tree {old}\nparent {old}\nauthor x\n\nx\n");
    assert_eq!(parents_of(commit.as_bytes()), [[0x11; 20]]);
}

#[test]
fn a_pack_ends_with_its_checksum() {
    let (_directory, repository, commits) = history();
    let empty = b"PACK\0\0\0\x02\0\0\0\0".to_vec();
    let empty = [empty.as_slice(), &[7; HASH_BYTES]].concat();
    for pack in [pack(&repository, &[], &format!("{}\n", commits[3])), empty] {
        for step in [1, 13, pack.len()] {
            for missing in [1, HASH_BYTES, HASH_BYTES + 1] {
                let scanner = scanned(&pack[..pack.len() - missing], step);
                assert!(scanner.end().is_err(), "{missing} bytes are missing");
            }
            let mut scanner = scanned(&pack, step);
            assert_eq!(scanner.end(), Ok(()));
            assert!(scanner.read(b"x").is_err());
        }
        let longer = [pack.as_slice(), b"x"].concat();
        assert!(PackScanner::new().read(&longer).is_err());
    }
}

#[test]
fn damaged_packs_are_refused() {
    let (_directory, repository, commits) = history();
    let pack = pack(&repository, &[], &format!("{}\n", commits[3]));
    let refused = |bytes: &[u8]| PackScanner::new().read(bytes).is_err();
    assert!(!refused(&pack));
    assert!(refused(b"PACK\0\0\0\x03\0\0\0\x01"));
    assert!(refused(b"KCAP\0\0\0\x02\0\0\0\x01"));
    // An object of type 0, of type 5, and with an endless size.
    for header in [&[0x00][..], &[0x50], &[0x9f; 12]] {
        assert!(refused(&[&pack[..HEADER_BYTES], header].concat()), "{header:?}");
    }
    let mut flipped = pack;
    flipped[HEADER_BYTES + 4] ^= 0xff;
    assert!(refused(&flipped));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1..40usize) {
        let mut scanner = PackScanner::new();
        let header = b"PACK\0\0\0\x02\0\0\0\x05";
        for piece in [header.as_slice(), &bytes].concat().chunks(step) {
            if scanner.read(piece).is_err() {
                break;
            }
        }
    }
}
