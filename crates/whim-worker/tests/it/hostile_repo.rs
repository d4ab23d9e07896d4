//! Manipulations of the workspace's `.git` by the agent, and hostile content of a repository (`docs/attacks.md`, rows 1, 9 and 10).

use std::fs;
use std::process::Command;

use crate::world::{BRANCH, FILES, HAPPY, REPO, World};

/// Plants a program that leaves a mark wherever git could run it: hooks, monitors, filters, pagers, transports, proxies,
/// and included settings.
const PLANT: &str = r#"begin
evil="$control/evil"
cat > "$evil" <<'SCRIPT'
#!/bin/sh
printf '%s\n' "$0 $*" >> "$(dirname "$0")/marker"
cat
SCRIPT
chmod +x "$evil"
greet
for hook in applypatch-msg pre-applypatch post-applypatch pre-commit post-commit prepare-commit-msg commit-msg \
    pre-rebase post-checkout post-merge pre-push pre-receive update post-receive post-update reference-transaction \
    push-to-checkout pre-auto-gc post-rewrite post-index-change fsmonitor-watchman proc-receive; do
    mkdir -p .git/hooks "$control/hooks"
    cp "$evil" ".git/hooks/$hook"; cp "$evil" "$control/hooks/$hook"
done
printf 'second\n' > second.txt; git -c core.hooksPath=/dev/null add second.txt; git -c core.hooksPath=/dev/null commit -qm second
plant() { git config "$1" "$2"; }
plant core.fsmonitor "$evil"
plant core.hooksPath "$control/hooks"
plant core.sshCommand "$evil"
plant core.pager "$evil"
plant core.editor "$evil"
plant core.askPass "$evil"
plant core.gitProxy "$evil"
plant core.alternateRefsCommand "$evil"
plant core.worktree "$control"
plant sequence.editor "$evil"
plant diff.external "$evil"
plant diff.evil.textconv "$evil"
plant diff.evil.command "$evil"
plant merge.evil.driver "$evil"
plant filter.evil.clean "$evil"
plant filter.evil.smudge "$evil"
plant filter.evil.process "$evil"
plant uploadpack.packObjectsHook "$evil"
plant gpg.program "$evil"
plant commit.gpgSign true
plant credential.helper "!$evil"
plant alias.fetch "!$evil"
plant pager.log "$evil"
plant remote.origin.uploadpack "$evil"
plant remote.origin.receivepack "$evil"
plant remote.origin.pushurl "ext::$evil"
plant remote.origin.proxy http://127.0.0.1:9
plant remote.origin.promisor true
plant extensions.partialClone origin
plant url."ext::$evil ".insteadOf http://
plant url."ext::$evil ".pushInsteadOf http://
plant http.proxy http://127.0.0.1:9
plant protocol.ext.allow always
plant protocol.allow always
plant include.path "$control/included"
plant submodule.recurse true
plant trace2.eventTarget "$control/trace"
printf '[core]\n\tfsmonitor = %s\n\tsshCommand = %s\n' "$evil" "$evil" > "$control/included"
printf '* filter=evil diff=evil merge=evil\n' > .git/info/attributes
printf '[core]\n\tfsmonitor = %s\n' "$evil" > "$HOME/.gitconfig"
mkdir -p "$HOME/.config/git"; cp "$HOME/.gitconfig" "$HOME/.config/git/config"
printf 'machine 127.0.0.1 login x password y\n' > "$HOME/.netrc"
# From here on, git in this script would run it, so the rest is done without git.
committed second; mark 'Add a greeting'; tick 1 'Add a farewell'
complete"#;

#[tokio::test]
async fn no_program_planted_in_the_workspace_is_run() -> anyhow::Result<()> {
    let script = PLANT.replace(
        "committed second;",
        "emit '{\"event\":\"commit\",\"hash\":\"x\",\"message\":\"second\"}';",
    );
    let world = World::new(FILES, &script).await?;

    let ended = world.run_expecting(0).await?;

    let marker = world.control().join("marker");
    assert!(
        !marker.exists(),
        "{}\n{}",
        fs::read_to_string(&marker)?,
        ended.log
    );
    // The planted programs work: unprotected git runs them.
    unprotected_git(&world, &["status"])?;
    assert!(marker.exists(), "nothing was planted");
    assert_eq!(
        world.github.read_file(REPO, BRANCH, "second.txt").as_deref(),
        Some("second\n")
    );
    assert_eq!(world.github.branches(REPO).len(), 2);
    Ok(())
}

/// Git fetches missing objects from a "promisor" remote with the program named in the repository's configuration.
#[tokio::test]
async fn missing_objects_are_not_fetched_by_a_program_of_the_agent() -> anyhow::Result<()> {
    let script = r#"begin; commit greeting.txt hello 'Add a greeting'; signal half; await go
        printf '#!/bin/sh\necho "$0 $*" >> %s/marker\n' "$control" > "$control/evil"; chmod +x "$control/evil"
        printf 'second\n' > second.txt; git add .; git commit -qm second
        object=$(git rev-parse HEAD:second.txt)
        rm -f ".git/objects/$(echo "$object" | cut -c1-2)/$(echo "$object" | cut -c3-)"
        git config core.repositoryFormatVersion 1; git config extensions.partialClone origin
        git config remote.origin.promisor true; git config remote.origin.url "ext::$control/evil %S"
        git config protocol.ext.allow always
        emit '{"event":"commit","hash":"x","message":"second"}'
        tick 0 'Add a greeting'; tick 1 'Add a farewell'; complete"#;
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    let first = world.pushed(1).await?;
    world.signal("go")?;

    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(2), "{}", ended.log);
    let marker = world.control().join("marker");
    assert!(!marker.exists(), "{}", fs::read_to_string(&marker)?);
    assert_eq!(world.branch_head(), Some(first));
    // The planted program works: unprotected git runs it to fetch the object.
    unprotected_git(&world, &["cat-file", "-p", "HEAD:second.txt"])?;
    assert!(marker.exists(), "nothing was planted");
    Ok(())
}

/// Runs git in the workspace without the worker's precautions.
fn unprotected_git(world: &World, arguments: &[&str]) -> anyhow::Result<()> {
    Command::new("git")
        .args(["--git-dir", ".git", "--work-tree", "."])
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(world.attempt_directory().join("workspace/repository"))
        .output()?;
    Ok(())
}

#[tokio::test]
async fn no_program_of_the_repository_is_run() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let marker = world.control().join("marker");
    let evil = format!("touch {}", marker.display());
    let modules = format!("[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c {evil}\n");
    let config = format!("[core]\n\tfsmonitor = {evil}\n\thooksPath = hooks\n");
    world.github.commit_files(
        REPO,
        "main",
        "Add hostile files",
        &[
            (".gitattributes", "* filter=evil diff=evil merge=evil\n"),
            (".gitmodules", &modules),
            (".gitconfig", &config),
            ("hooks/post-checkout", &format!("#!/bin/sh\n{evil}\n")),
        ],
    );

    world.run_expecting(0).await?;

    assert!(!marker.exists());
    Ok(())
}

#[tokio::test]
async fn a_repository_that_fails_fsck_is_refused() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let modules = "[submodule \"x\"]\n\tpath = x\n\turl = https://x.test/x\n\tupdate = !touch marker\n";
    world
        .github
        .commit_files(REPO, "main", "Add a command", &[(".gitmodules", modules)]);

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, whim_core::FailureCause::WorkspaceUnusable);
    assert!(
        failure.reason.contains("disallowed submodule update setting"),
        "{}",
        failure.reason
    );
    Ok(())
}

#[tokio::test]
async fn a_replaced_git_directory_is_not_read() -> anyhow::Result<()> {
    let script = r#"begin; greet; git init -q --bare "$control/other.git"; mv .git "$control/real.git"
        printf 'gitdir: %s/real.git\n' "$control" > .git; part; complete"#;
    let world = World::new(FILES, script).await?;

    world.run_expecting(2).await?;

    let reason = world.failure()?.reason;
    assert!(reason.contains("reading HEAD of the workspace"), "{reason}");
    Ok(())
}

#[tokio::test]
async fn corrupt_objects_are_refused() -> anyhow::Result<()> {
    let script = r#"begin; commit greeting.txt hello 'Add a greeting'; signal half; await go
        printf 'second\n' > greeting.txt; git add .; git commit -qm forged
        object=$(git rev-parse HEAD:greeting.txt); other=$(git rev-parse HEAD:README.md)
        dir=.git/objects; from=$dir/$(echo "$object" | cut -c1-2)/$(echo "$object" | cut -c3-)
        chmod u+w "$from"; printf 'broken' > "$from"
        emit '{"event":"commit","hash":"x","message":"forged"}'
        tick 0 'Add a greeting'; tick 1 'Add a farewell'; complete"#;
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    let first = world.pushed(1).await?;
    world.signal("go")?;

    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(2), "{}", ended.log);
    assert!(world.failure()?.reason.contains("importing the agent's commits"));
    assert_eq!(world.branch_head(), Some(first));
    Ok(())
}

#[tokio::test]
async fn text_of_an_issue_never_reaches_a_shell() -> anyhow::Result<()> {
    let world = World::new(
        FILES,
        "begin; commit greeting.txt hello greet; sed -i 's/- \\[ \\]/- [x]/' \"$spec\"; complete",
    )
    .await?;
    let marker = world.control().join("marker");
    let touch = format!("touch {}", marker.display());
    let spec = format!(
        "# $({touch}) `{touch}` '; {touch}; ' \"; {touch}; \" --upload-pack={touch}\n\n- [ ] $({touch})\n- [ ] `{touch}` && {touch} | {touch}\n"
    );
    let world = world.assigned(|registered| {
        registered.work_item.spec = spec;
        registered.work_item.metadata.issue_title = Some(format!("$({touch})"));
    });

    world.run_expecting(0).await?;

    assert!(!marker.exists());
    assert!(world.github.pulls(REPO)[0].title.contains("$(touch"));
    Ok(())
}

/// Names that start like an option are not even parsed as branch names.
#[tokio::test]
async fn an_unusual_branch_name_is_not_parsed_as_an_option() -> anyhow::Result<()> {
    let strange = "a/-x/--upload-pack#+";
    let world = World::new(FILES, HAPPY).await?.assigned(|registered| {
        registered.work_item.branch = whim_core::BranchName::parse(strange).unwrap();
    });

    world.run_expecting(0).await?;

    assert!(world.github.branch_head(REPO, strange).is_some());
    assert!(whim_core::BranchName::parse("--upload-pack=x").is_err());
    Ok(())
}

#[tokio::test]
async fn links_at_the_paths_of_whims_files_are_not_followed() -> anyhow::Result<()> {
    let script = r#"begin; greet; echo secret > "$control/outside"; ln -s "$control/outside" "$state/stuck.md"
        emit '{"event":"stuck","reason":"no progress","iterations_without_progress":3}'; exit 1"#;
    let world = World::new(FILES, script).await?;

    world.run_expecting(3).await?;

    assert_eq!(world.stuck()?.reason, "no progress");
    Ok(())
}

/// Flaws that old tools left in histories that everybody can clone.
#[tokio::test]
async fn an_old_history_with_harmless_flaws_is_worked_on() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let bare = world.github.bare_repository(REPO);
    let script = r#"set -eu
        write() { git hash-object -w --literally -t "$1" --stdin; }
        raw() { git rev-parse "$1" | sed 's/../\\x&/g'; }
        blob=$(raw main:README.md)
        duplicate=$(printf "100644 f\000${blob}100644 f\000${blob}" | write tree)
        null=$({ printf '160000 sub'; head -c 21 /dev/zero; } | write tree)
        parent=
        for tree in "$duplicate" "$null" "$(git rev-parse main^{tree})"; do
            parent=$(printf 'tree %s\n%sauthor A <a@b> 99999999999999999999999 +0000\ncommitter A <a@b> 1 +0000\n\nold\n' \
                "$tree" "${parent:+parent $parent
}" | write commit)
        done
        git update-ref refs/heads/main "$parent""#;
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(bare.directory())
        .output()?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    world.run_expecting(0).await?;

    assert_eq!(world.github.log(REPO, BRANCH).len(), 5);
    Ok(())
}
