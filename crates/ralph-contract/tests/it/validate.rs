//! The conventions of SPEC.md: what is refused, and what only resembles it.

use insta::assert_snapshot;
use ralph_contract::ViolationKind::{
    self, CodeSnippet, FileLineReference, ImplementationInstruction, NoTasks, NoTitle, ShellCommand,
    TaskWithoutText, TechnicalNotesSection,
};
use ralph_contract::{SpecDocument, Violation};

fn violations(text: &str) -> Vec<Violation> {
    SpecDocument::parse(text).violations()
}

/// The kinds found in one task, and in the same words as a sub-bullet.
fn kinds_in_task(words: &str) -> Vec<ViolationKind> {
    let kinds = |text: String| {
        violations(&text)
            .into_iter()
            .map(|found| found.kind)
            .collect::<Vec<_>>()
    };
    let in_task = kinds(format!("# T\n\n- [ ] {words}\n"));
    let in_detail = kinds(format!("# T\n\n- [ ] Task\n  - {words}\n"));
    assert_eq!(
        in_task, in_detail,
        "the same rules hold for tasks and their details: {words}"
    );
    in_task
}

const DOCUMENTED_EXAMPLE: &str = "\
# Add User Authentication

## Goal
Secure API endpoints with JWT-based authentication

## Tasks
- [ ] Create User model with password hashing
  - Email and password fields
  - Bcrypt hashing for passwords
  - Unique email constraint
- [ ] Add login endpoint with JWT generation
  - POST /auth/login endpoint
  - Returns JWT token on valid credentials
  - Returns 401 on invalid credentials
- [ ] Add authentication middleware
  - Validates JWT on protected routes
  - Attaches user to request context
  - Returns 401 on missing/invalid token
";

#[test]
fn the_documented_examples_break_no_convention() {
    for text in [
        DOCUMENTED_EXAMPLE,
        "# Task\n\n- [ ] Add hello world endpoint to src/index.ts",
    ] {
        assert_eq!(violations(text), [], "{text}");
    }
}

#[test]
fn words_that_tell_how_are_refused() {
    let cases: &[(ViolationKind, &[&str])] = &[
        (
            FileLineReference,
            &[
                "Fix the check in auth.ts:42",
                "Fix the check in `src/auth.ts:42`",
                "Fix src/auth/login.rs:10:5",
                "Fix src/auth/login.rs:10-20",
                "See src/auth.ts#L42",
                "See https://github.com/o/r/blob/main/src/auth.ts#L42-L50",
                "The check in `auth.ts` line 42 is wrong",
                "The check in auth.py, lines 4 to 9, is wrong",
                "The check at line 42 of auth.ts is wrong",
                "The check (lines 3-9 in the file `src/a.go`) is wrong",
                "The target in Makefile:12 is wrong",
                "(main.c:7)",
            ],
        ),
        (
            ShellCommand,
            &[
                "npm install zod",
                "`npm install zod`",
                "Add validation (run `npm i zod`)",
                "Run cargo test",
                "All tests pass with `cargo test`",
                "Build the image and then docker build the rest",
                "`git commit -m 'x'`",
                "git push --force",
                "`$ ./build`",
                "$ ./gradlew test",
                "`NODE_ENV=test npx jest`",
                "`cd api && make`",
                "`curl -X POST http://localhost:3002/api/work`",
                "`pip install -r requirements.txt`",
                "`sudo systemctl restart app`",
                "`rm -rf dist`",
                "`python -m pytest`",
                "Execute go generate before the build",
                "`bun run lint`",
                "`make test`",
            ],
        ),
        (
            CodeSnippet,
            &[
                "Add `const user = await find(id)`",
                "Add `import { z } from 'zod'` to the schema",
                "Uses `use std::collections::HashMap;`",
                "The guard is `if (user) { return next() }`",
                "A helper `fn parse(text: &str) -> Result<Spec>`",
                "A helper `def parse(text):`",
                "A filter `users.filter(user => user.active)`",
                "The check is `a.role === 'admin'`",
                "The query `SELECT id FROM users WHERE email = $1` is fast",
                "It ends with `done(null, user);`",
            ],
        ),
        (
            ImplementationInstruction,
            &[
                "Use the `hashPassword` function in utils to hash passwords",
                "Use the hash function in src/utils.ts to hash passwords",
                "Refactor the `login` method",
                "Hash passwords by calling `bcrypt.hash(password)`",
                "Call createUser() after validation",
                "Change line 42",
                "Please remove lines 10-12",
                "Add a null check on line 7",
                "Import { z } and validate",
                "Add an import for the logger",
                "Import the `Logger` class",
                "Rename variable x to count",
                "Rename `getUser` to `fetchUser`",
                "In src/auth.ts, replace the comparison",
                "In the `login` function, add a check",
                "Open src/auth.ts and fix the comparison",
                "Wrap the call with a try/catch",
                "Add an if statement for admins",
                "Use a for loop",
                "Declare a variable called retries",
                "Copy the code from the old service",
            ],
        ),
        (
            TechnicalNotesSection,
            &["**Technical notes:** it is slow", "Implementation details:"],
        ),
        (TaskWithoutText, &[]),
    ];
    let mut wrong = Vec::new();
    for (kind, cases) in cases {
        for words in *cases {
            let found = kinds_in_task(words);
            if found != [*kind] {
                wrong.push(format!("{words}: {found:?}, not {kind:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn words_that_tell_what_are_accepted() {
    for words in [
        // Files and endpoints.
        "Add hello world endpoint to src/index.ts",
        "Add hello world endpoint to `src/index.ts`",
        "POST /auth/login endpoint",
        "`POST /auth/login` returns a token",
        "`GET /users?limit=10&page=2` lists ten users",
        "The service answers on http://localhost:3002",
        "The service answers on localhost:3002 and 127.0.0.1:8080",
        "The service answers on https://docs.rs:443/x and example.com:8080",
        "Update README.md: 3 new sections",
        "package.json: 2 scripts",
        // Times, ratios, versions.
        "Runs daily at 12:30",
        "Scales images to 16:9",
        "Works with Node.js 20:latest images",
        "Lines 80 columns wide are wrapped",
        "Shows the first 10 lines of a log",
        "Draws bus line 42 on the map",
        // Names of things.
        "Provide a `parse` function",
        "Export the `useAuth` hook",
        "Add a `limit` option to the `search()` method",
        "Uses `bcrypt` for passwords",
        "Fields are separated by `;`",
        "Supports the operators `===` and `&&`",
        "Cookies are `HttpOnly; Secure; SameSite=Strict`",
        "Returns `{ \"error\": \"not found\" }` with 404",
        "`max_width = 110` is the default",
        "Renders `<main>` once",
        "The `--verbose` flag prints every request",
        "`LOG_LEVEL=debug` shows requests",
        // Programs and a project's own command line.
        "`ralph validate` accepts the file",
        "`mytool init` creates a configuration",
        "Use Docker for the database",
        "Tests use pytest",
        "Support `docker`, `podman` and `nerdctl`",
        "npm install instructions are in the README",
        "Document how to install with npm",
        "git commit hooks check the format",
        "Make test output readable",
        "Make install faster",
        "CI runs every test on each push",
        "Go to definition works for imports",
        "./scripts/demo.sh shows the main job",
        "Node versions 18 and 20 are tested",
        // Verbs that also state requirements.
        "Users use the search function in the header to find items",
        "Users can import contacts from CSV",
        "Import contacts from a spreadsheet",
        "Import orders from Shopify",
        "Rename files in bulk",
        "Rename the product to Whim everywhere",
        "Change the default port to 8080",
        "Remove the line below the title",
        "Replace polling with webhooks",
        "Call the customer back within 24 hours",
        "Call to action is above the fold",
        "Use the existing color palette",
        "Add environment variable for the API URL",
        "Support for loops in the template language",
        "If statements in templates are evaluated",
        "Copy link button on every page",
        "Open issues are listed first",
        "In dark mode, use a lighter border",
        "Technical notes field on the order page",
        "Users can attach implementation notes to a ticket",
        "Edit profile page",
        "Class schedule can be renamed",
    ] {
        assert_eq!(kinds_in_task(words), [], "{words}");
    }
}

#[test]
fn code_blocks_are_refused_outside_examples_only() {
    let task = "- [ ] Task\n";
    for (blocks, expected) in [
        ("```ts\nlet x;\n```\n", vec![CodeSnippet]),
        ("~~~\nx\n~~~\n", vec![CodeSnippet]),
        ("Text\n\n    indented code\n", vec![CodeSnippet]),
        ("- [ ] Task\n\n  ```\n  in a task\n  ```\n", vec![CodeSnippet]),
        ("## Example\n\n```json\n{}\n```\n", vec![]),
        (
            "## Examples of answers\n\n### Good\n\n```json\n{}\n```\n\n    too\n",
            vec![],
        ),
        (
            "## Example\n\nx\n\n## Tasks\n\n```json\n{}\n```\n",
            vec![CodeSnippet],
        ),
        (
            "### Example\n\nx\n\n## Tasks\n\n```json\n{}\n```\n",
            vec![CodeSnippet],
        ),
        ("**Example:**\n\n```json\n{}\n```\n", vec![]),
        (
            "- [ ] Task\n  - Answers, for example:\n    ```json\n    {}\n    ```\n",
            vec![],
        ),
        (
            "Example request:\n\n```\na\n```\n```\nb\n```\n\nText\n\n```\nc\n```\n",
            vec![CodeSnippet],
        ),
        ("# Examples\n\n```\nx\n```\n", vec![CodeSnippet]),
        ("Each example is short.\n\n```\nx\n```\n", vec![CodeSnippet]),
    ] {
        let kinds: Vec<_> = violations(&format!("# T\n\n{task}\n{blocks}"))
            .into_iter()
            .map(|found| found.kind)
            .collect();
        assert_eq!(kinds, expected, "{blocks}");
    }
}

#[test]
fn what_an_example_shows_is_not_taken_for_words_of_the_spec() {
    assert_eq!(
        violations("# T\n\n- [ ] a\n\n## Example\n\nRun `npm install x`; it prints auth.ts:42.\n"),
        []
    );
    // Tasks are tasks wherever they stand.
    let found = violations("# T\n\n## Example\n\n- [ ] Run `npm install x`\n");
    assert_eq!(
        found.iter().map(|found| found.kind).collect::<Vec<_>>(),
        [ShellCommand]
    );
}

#[test]
fn sections_of_technical_notes_are_refused_by_their_name() {
    for heading in [
        "## Technical Notes",
        "### Implementation notes",
        "## 3. Technical Details:",
        "## 🔧 Implementation Hints",
        "## Technical and implementation notes",
        "## Notes for the implementation",
        "Implementation plan\n---",
        "## How to implement this",
        "#### Code hints",
    ] {
        let found = violations(&format!("# T\n\n- [ ] a\n\n{heading}\n\ntext\n"));
        assert_eq!(
            found
                .iter()
                .map(|found| (found.line, found.kind))
                .collect::<Vec<_>>(),
            [(5, TechnicalNotesSection)],
            "{heading}"
        );
    }
    for heading in [
        "## Phase 2: Implementation",
        "## Technical requirements",
        "## Notes",
        "## Implementation notes can be attached",
        "## Developer documentation",
        "## Release notes",
    ] {
        assert_eq!(
            violations(&format!("# T\n\n- [ ] a\n\n{heading}\n\ntext\n")),
            [],
            "{heading}"
        );
    }
}

#[test]
fn a_title_a_task_and_its_text_are_required() {
    let kinds = |text| {
        violations(text)
            .into_iter()
            .map(|found| (found.line, found.kind))
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(""), [(1, NoTitle), (1, NoTasks)]);
    assert_eq!(kinds("## Phase\n- [ ] a"), [(1, NoTitle)]);
    assert_eq!(kinds("# T\n"), [(1, NoTasks)]);
    assert_eq!(
        kinds("# T\n- [ ] a\n- [ ]\n- [x] \n"),
        [(3, TaskWithoutText), (4, TaskWithoutText)]
    );
}

#[test]
fn each_violation_says_where_why_and_what_to_write_instead() {
    let text = "## Tasks\r\n- [ ] Fix auth.ts:42 and\r\n  a.ts:1 and\r\n  b.ts:2, then npm install `zod`\r\n\r\n## Technical notes\r\n```ts\r\nlet x = 1;\r\n```\r\n- [ ]\r\n- [ ] Call `a()`\r\n";
    let shown: Vec<String> = violations(text).iter().map(Violation::to_string).collect();
    assert_snapshot!(shown.join("\n"), @r#"
    line 1: there is no title; begin with a `# Title` that names the result
    line 2: reference to a line of a file: `auth.ts:42`; name the behaviour, or the file without a line: lines move while the tasks are done
    line 3: reference to a line of a file: `a.ts:1`; name the behaviour, or the file without a line: lines move while the tasks are done
    line 4: reference to a line of a file: `b.ts:2`; name the behaviour, or the file without a line: lines move while the tasks are done
    line 4: shell command: `npm install`; name the result ("has the zod dependency", "all tests pass") instead of the command
    line 6: section of technical notes: `Technical notes`; move what is required into tasks and leave out the rest
    line 7: code snippet outside an example: `let x = 1;`; describe the behaviour in words, or put the block under an `Example` heading where it shows input or output
    line 10: the task has no text; write what is true when the box is ticked, or remove the box
    line 11: implementation instruction: `` Call `a()` ``; name the deliverable ("passwords are stored hashed") instead of the step that leads to it
    "#);
}

#[test]
fn a_long_excerpt_is_cut_and_holds_no_control_characters() {
    let long = format!("# T\n\n- [ ] a\n\n```\n\u{1b}[31m{}\n```\n", "é".repeat(500));
    let found = violations(&long);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].excerpt.chars().count(), 81);
    assert!(found[0].excerpt.ends_with('…') && !found[0].excerpt.contains(char::is_control));
}

#[test]
fn no_more_than_a_hundred_violations_are_reported() {
    assert_eq!(violations(&"- [ ] npm install a:b.ts:1\n".repeat(500)).len(), 100);
}
