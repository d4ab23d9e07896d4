use super::*;

use RemoteErrorKind::{
    ContentRefused, Damaged, Denied, InvalidToken, Machine, NotFound, Other, RuleRefused, Unavailable,
};

#[track_caller]
fn check(cases: &[(&str, RemoteErrorKind)]) {
    for (message, kind) in cases {
        assert_eq!(classify(message), *kind, "{message}");
    }
}

// Captured from git 2.47.3 with libcurl 8.14.1 (GnuTLS), and 2.39.5, against servers and proxies that answer so.
#[test]
fn an_http_status_decides() {
    check(&[
        (
            "fatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 503",
            Unavailable,
        ),
        (
            "fatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 429",
            Unavailable,
        ),
        (
            "fatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 422",
            Other,
        ),
        (
            "remote: Permission to a/b.git denied to x.\nfatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 403",
            Denied,
        ),
        (
            "error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502\nsend-pack: unexpected disconnect while reading sideband packet\nfatal: the remote end hung up unexpectedly",
            Unavailable,
        ),
        (
            "fatal: unable to access 'https://github.test/a/b/': CONNECT tunnel failed, response 502",
            Unavailable,
        ),
        (
            "fatal: unable to access 'https://github.test/a/b/': CONNECT tunnel failed, response 407",
            Unavailable,
        ),
        // libcurl before 7.86.
        (
            "fatal: unable to access 'https://h/a/': Received HTTP code 502 from proxy after CONNECT",
            Unavailable,
        ),
        (
            "remote: Invalid username or token.\nfatal: Authentication failed for 'http://h/a/b.git/'",
            InvalidToken,
        ),
        (
            "fatal: could not read Password for 'http://x@h': terminal prompts disabled",
            InvalidToken,
        ),
        (
            "remote: Repository not found.\nfatal: repository 'http://h/a/b.git/' not found",
            NotFound,
        ),
    ]);
}

/// GitHub's answers to too many requests: <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.
#[test]
fn a_rate_limit_is_no_missing_permission() {
    check(&[(
        "remote: You have exceeded a secondary rate limit.\nfatal: unable to access 'https://github.com/a/b.git/': The requested URL returned error: 403",
        Unavailable,
    )]);
}

// Captured as above.
#[test]
fn a_failure_without_a_word_of_the_server_is_the_networks() {
    check(&[
        (
            "fatal: unable to access 'http://127.0.0.1:1/': Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server",
            Unavailable,
        ),
        (
            "fatal: unable to access 'https://h/': Could not resolve host: h",
            Unavailable,
        ),
        (
            "fatal: unable to access 'http://h/': Empty reply from server",
            Unavailable,
        ),
        (
            "error: RPC failed; curl 52 Empty reply from server\nfatal: expected flush after ref listing",
            Unavailable,
        ),
        (
            "fatal: unable to access 'https://127.0.0.1:9103/a/b/': gnutls_handshake() failed: An unexpected TLS packet was received.",
            Unavailable,
        ),
        (
            "fatal: unable to access 'https://127.0.0.1:9104/a/': gnutls_handshake() failed: The TLS connection was non-properly terminated.",
            Unavailable,
        ),
        (
            "fatal: unable to access 'https://127.0.0.1:9106/a/': Recv failure: Connection reset by peer",
            Unavailable,
        ),
        (
            "fatal: unable to access 'http://127.0.0.1:9109/a/': transfer closed with 4966 bytes remaining to read",
            Unavailable,
        ),
        ("something that no version of git says today", Unavailable),
    ]);
}

// Captured from git 2.47.3 with repositories whose objects were removed or overwritten.
#[test]
fn a_damaged_repository_is_not_the_networks_trouble() {
    check(&[
        (
            "remote: fatal: unable to read 8deb02b16107ffc43028e44aec83a73dc1a81c1c        \nremote: aborting due to possible repository corruption on the remote side.\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
            Damaged,
        ),
        (
            "remote: error: Could not read 2ac706f6ddca3682f1694262192b906b1cf91e44        \nremote: fatal: Failed to traverse parents of commit f7784e7678a05e2beb6b655337a58b7a9fb7227e        \nremote: aborting due to possible repository corruption on the remote side.\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
            Damaged,
        ),
        (
            "error: inflate: data stream error (invalid distance too far back)\nfatal: pack has bad object at offset 444: inflate returned -3\nfatal: fetch-pack: invalid index-pack output",
            Damaged,
        ),
        (
            "fatal: remote error: upload-pack: not our ref 1111111111111111111111111111111111111111",
            Damaged,
        ),
    ]);
    // From the sources of git (connected.c, fetch-pack.c).
    check(&[
        (
            "fatal: bad object 2ac706f6ddca3682f1694262192b906b1cf91e44\nerror: https://h/a/b.git did not send all necessary objects",
            Damaged,
        ),
        (
            "error: RPC failed; curl 18 transfer closed with outstanding read data remaining\nfatal: early EOF\nfatal: index-pack failed",
            Unavailable,
        ),
    ]);
}

// Captured from git 2.47.3.
#[test]
fn harmful_content_and_trouble_of_the_machine_are_recognised() {
    check(&[
        (
            "error: object 8b8d9fb475d89e269dc92914e7c283af7b8d5600: gitmodulesUrl: disallowed submodule url: -uploadpack=x\nfatal: fsck error in packed object\nfatal: index-pack failed",
            Other,
        ),
        (
            "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output",
            Machine,
        ),
    ]);
}

// Captured from git 2.47.3 with `push --porcelain`.
#[test]
fn refused_refs_are_distinguished_by_their_reason() {
    check(&[
        (
            "remote: error: cannot lock ref 'refs/heads/whim/7': 'refs/heads/whim' exists; cannot create 'refs/heads/whim/7'        \nerror: failed to push some refs to 'file:///t.git'\nTo file:///t.git\n!\tHEAD:refs/heads/whim/7\t[remote rejected] (failed to update ref)\nDone",
            RuleRefused,
        ),
        (
            "remote: remote says no        \nerror: failed to push some refs to 'file:///t.git'\nTo file:///t.git\n!\tHEAD:refs/heads/h\t[remote rejected] (pre-receive hook declined)\nDone",
            ContentRefused,
        ),
        (
            "remote: remote says no        \nremote: error: hook declined to update refs/heads/h        \nerror: failed to push some refs to 'file:///t.git'\nTo file:///t.git\n!\tHEAD:refs/heads/h\t[remote rejected] (hook declined)\nDone",
            ContentRefused,
        ),
        (
            "error: remote unpack failed: index-pack abnormal exit\nTo http://h/a/b.git\n!\tHEAD:refs/heads/h\t[remote rejected] (unpacker error)\nDone",
            Unavailable,
        ),
    ]);
}

/// The sentences of GitHub's documentation (“Troubleshooting rules”, “Push protection from the command line”, “About large
/// files on GitHub”, “Troubleshooting required status checks”) and of reports in public issue trackers, in the form that
/// `push --porcelain` gives them.
#[test]
fn githubs_refusals_are_distinguished_by_who_can_act_on_them() {
    let refused = |remote: &str, reason: &str| {
        let lines: Vec<_> = remote
            .lines()
            .map(|line| format!("remote: {line}        "))
            .collect();
        format!(
            "{}\nerror: failed to push some refs to 'https://github.com/a/b.git'\nTo https://github.com/a/b.git\n!\tabc:refs/heads/whim/7\t[remote rejected] ({reason})\nDone",
            lines.join("\n")
        )
    };
    let rule = "push declined due to repository rule violations";
    for (remote, reason, kind) in [
        (
            "",
            "refusing to allow a Personal Access Token to create or update workflow `.github/workflows/release.yaml` without `workflow` scope",
            ContentRefused,
        ),
        (
            "",
            "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` without `workflows` permission",
            ContentRefused,
        ),
        (
            "error: GH001: Large files detected. You may want to try Git Large File Storage - https://git-lfs.github.com.\nerror: File big.bin is 120.00 MB; this exceeds GitHub's file size limit of 100.00 MB",
            "pre-receive hook declined",
            ContentRefused,
        ),
        (
            "error: GH013: Repository rule violations found for refs/heads/whim/7.\n\n- GITHUB PUSH PROTECTION\n  - Push cannot contain secrets\n\n  —— GitHub Personal Access Token ——\n  locations:\n    - commit: 5477a7dd26384ed3c8b3814ee677f755ad27a597\n      path: src/api/github.ts:34",
            rule,
            ContentRefused,
        ),
        (
            "error: GH013: Repository rule violations found for refs/heads/whim/7.\n- Commits must have verified signatures.\n  Found 1 violation",
            rule,
            RuleRefused,
        ),
        (
            "error: GH013: Repository rule violations found for refs/heads/whim/7.\n- Cannot create ref due to creations being restricted.",
            rule,
            RuleRefused,
        ),
        (
            "error: GH013: Repository rule violations found for refs/heads/whim/7.\n- File path is restricted. Found 1 violation: infra/main.tf",
            rule,
            ContentRefused,
        ),
        (
            "error: GH006: Protected branch update failed for refs/heads/whim/7.\nerror: Changes must be made through a pull request.",
            "protected branch hook declined",
            RuleRefused,
        ),
        (
            "error: GH007: Your push would publish a private email address.",
            "push declined due to email privacy restrictions",
            RuleRefused,
        ),
        ("Internal Server Error", "Internal Server Error", Unavailable),
        (
            "fatal error in commit_refs",
            "fatal error in commit_refs",
            Unavailable,
        ),
        ("", "directory file conflict", RuleRefused),
    ] {
        check(&[(&refused(remote, reason), kind)]);
    }
}
