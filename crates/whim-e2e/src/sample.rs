//! The sample repository: a small JavaScript library whose tests need no compilation and no packages, an issue about
//! it, and what the scripted model does for that issue.

use std::path::PathBuf;

use whim_testkit::anthropic::{Coder, Solution};

pub const REPOSITORY: &str = "acme/wordsmith";

pub const ISSUE_TITLE: &str = "Count the words of a text";

/// Has two tasks.
pub const ISSUE_BODY: &str = "\
When I write an article I would like to see how long it is, and which words I use too often.

- Add a function that counts the words of a text
- Add a function that lists the most frequent words of a text
";

/// The files of the repository in this checkout.
pub fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sample")
}

/// A scripted model that solves the issue task by task, and runs the tests before each commit.
pub fn coder() -> Coder {
    Coder::default()
        .test_command("npm test")
        .solution(
            Solution::for_task("counts the words")
                .file("src/word-count.js", include_str!("sample/word-count.js"))
                .file(
                    "test/word-count.test.js",
                    include_str!("sample/word-count.test.js"),
                ),
        )
        .solution(
            Solution::for_task("most frequent words")
                .file("src/frequent-words.js", include_str!("sample/frequent-words.js"))
                .file(
                    "test/frequent-words.test.js",
                    include_str!("sample/frequent-words.test.js"),
                ),
        )
}
