use std::fs;
use std::path::Path;

use whim_core::FailureCause;

use crate::world::{FILES, HAPPY, MODEL_KEY, REPO, WORKER_TOKEN, World};

/// Finds a file below the directory that contains the text.
fn find_file_with(directory: &Path, text: &str) -> anyhow::Result<Option<String>> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if let Some(found) = find_file_with(&path, text)? {
                return Ok(Some(found));
            }
        } else if entry.file_type()?.is_file() {
            let content = fs::read(&path)?;
            if content
                .windows(text.len())
                .any(|window| window == text.as_bytes())
            {
                return Ok(Some(path.display().to_string()));
            }
        }
    }
    Ok(None)
}

#[tokio::test]
async fn no_secret_is_in_the_workspace_the_log_or_reports() -> anyhow::Result<()> {
    // Pushes happen while the script reads the arguments of all processes.
    let script = r#"begin; greet
        for turn in $(seq 500); do
            cat /proc/[0-9]*/cmdline >> "$control/arguments-of-all" 2>/dev/null || true
            if grep -qa force-with-lease "$control/arguments-of-all"; then break; fi
            sleep 0.02
        done
        emit '{"event":"tool","type":"bash","path":"'"$ANTHROPIC_API_KEY"'"}'
        part; complete"#;
    let world = World::new(FILES, script).await?;

    let ended = world.run_expecting(0).await?;

    let reports = serde_json::to_string(&world.orchestrator.heartbeats())?;
    let arguments = fs::read(world.control().join("arguments-of-all"))?;
    let arguments = String::from_utf8_lossy(&arguments);
    assert!(arguments.contains("force-with-lease"), "no push was seen");
    for secret in [world.github.token(), WORKER_TOKEN, MODEL_KEY] {
        assert_eq!(
            find_file_with(&world.attempt_directory(), secret)?,
            None,
            "{secret}"
        );
        assert!(!ended.log.contains(secret), "{secret} is in the log");
        assert!(!reports.contains(secret), "{secret} was reported");
        assert!(!arguments.contains(secret), "{secret} was an argument");
    }
    assert!(
        reports.contains("***"),
        "the secret that the agent printed was not masked"
    );
    assert!(!world.attempt_directory().join("credentials").exists());
    Ok(())
}

#[tokio::test]
async fn secrets_printed_by_the_agent_are_masked_in_the_log_and_the_reason() -> anyhow::Result<()> {
    let script = r#"begin; echo "key=$ANTHROPIC_API_KEY" >&2
        emit '{"event":"warning","type":"harness_misfit","message":"'"$ANTHROPIC_API_KEY"'"}'
        emit '{"event":"iteration","n":"'"$ANTHROPIC_API_KEY"'"}'
        emit '{"event":"failed","error":"no luck with '"$ANTHROPIC_API_KEY"'"}'; exit 3"#;
    let world = World::new(FILES, script).await?;

    let ended = world.run_expecting(2).await?;

    assert_eq!(
        world.failure()?.reason,
        "ralph failed: no luck with ***\n\nkey=***"
    );
    assert!(!ended.log.contains(MODEL_KEY), "{}", ended.log);
    assert!(!serde_json::to_string(&world.orchestrator.heartbeats())?.contains(MODEL_KEY));
    Ok(())
}

#[tokio::test]
async fn the_agent_receives_only_the_model_credential() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;

    world.run_expecting(0).await?;

    let environment = world.script_output("environment")?;
    assert!(
        environment.contains(&format!("ANTHROPIC_API_KEY={MODEL_KEY}\n")),
        "{environment}"
    );
    for secret in [world.github.token(), WORKER_TOKEN] {
        assert!(!environment.contains(secret), "{environment}");
    }
    let mut names: Vec<&str> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    insta::assert_snapshot!(names.join(" "), @"ANTHROPIC_API_KEY ANTHROPIC_BASE_URL GIT_AUTHOR_EMAIL GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL GIT_COMMITTER_NAME GIT_TERMINAL_PROMPT HOME PATH PROCESS_TREE PWD TMPDIR WHIM_ATTEMPT");
    Ok(())
}

#[tokio::test]
async fn the_workspace_has_no_credential_to_push() -> anyhow::Result<()> {
    let script = r#"begin; git remote --verbose > "$control/remotes"
        if git push -q origin HEAD:refs/heads/stolen 2> "$control/refusal"; then exit 9; fi
        greet; part; complete"#;
    let world = World::new(FILES, script).await?;

    world.run_expecting(0).await?;

    let remotes = world.script_output("remotes")?;
    assert!(
        remotes.contains(&format!("{}/{REPO}.git (push)", world.github.git_url())),
        "{remotes}"
    );
    assert_eq!(world.github.branch_head(REPO, "stolen"), None);
    Ok(())
}

#[tokio::test]
async fn commits_with_a_credential_are_not_pushed() -> anyhow::Result<()> {
    for hide in [
        "commit config.txt \"key=$ANTHROPIC_API_KEY\" 'Add the key'",
        // Removed by the next commit, but still in the history.
        "printf '%s' \"$ANTHROPIC_API_KEY\" > k; git add k; git commit -qm one; commit k nothing two",
        "commit note.txt note \"key $ANTHROPIC_API_KEY\"",
        "commit note.txt \"$(printf '%s' \"$ANTHROPIC_API_KEY\" | base64 -w0)\" encoded",
        "commit note.txt \"$(printf '%s' \"$ANTHROPIC_API_KEY\" | od -An -tx1)\" hexadecimal",
        "commit note.txt \"$(printf '%s' \"$ANTHROPIC_API_KEY\" | sed 's/./& /g')\" split",
    ] {
        let script = format!("begin; if first; then {hide}; fi; committed again; signal done; await never");
        let world = World::new(FILES, &script).await?;

        world.run_expecting(2).await?;

        let failure = world.failure()?;
        assert_eq!(failure.cause, FailureCause::PushRefused, "{hide}");
        assert!(
            failure.reason.contains("one of Whim's own credentials"),
            "{}",
            failure.reason
        );
        assert_eq!(world.branch_head(), None, "{hide}");
    }
    Ok(())
}

#[tokio::test]
async fn an_agent_that_committed_a_credential_gets_a_correction_and_may_remove_it() -> anyhow::Result<()> {
    let script = r#"begin
        if first; then commit config.txt "key=$ANTHROPIC_API_KEY" 'Add the key'; await never
        else git reset -q --hard HEAD~1; greet; part; fi; complete"#;
    let world = World::new(FILES, script).await?;

    let ended = world.run_expecting(0).await?;

    let correction = world.script_output("correction")?;
    assert!(
        correction.contains("one of Whim's own credentials"),
        "{correction}"
    );
    assert!(
        !correction.contains(MODEL_KEY) && !ended.log.contains(MODEL_KEY),
        "{correction}"
    );
    assert_eq!(
        world
            .github
            .log(REPO, &format!("main..{}", crate::world::BRANCH))
            .len(),
        2
    );
    Ok(())
}

#[tokio::test]
async fn a_token_of_another_service_is_not_pushed_and_its_file_is_named() -> anyhow::Result<()> {
    let token = "ghp_wW3kX9zQ2vB7nM4tR8yL1hD6jS5fG0cAEuKi";
    let script = format!(
        "begin; if first; then commit config.js \"const token = '{token}'\" 'Add a token'; fi; committed again; await never"
    );
    let world = World::new(FILES, &script).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::PushRefused);
    assert_eq!(
        failure.reason,
        "the commits contain a GitHub token in config.js, so they were not pushed"
    );
    assert_eq!(world.branch_head(), None);
    Ok(())
}

#[tokio::test]
async fn a_token_in_the_message_of_an_older_commit_is_not_pushed() -> anyhow::Result<()> {
    let script = "begin; if first; then echo a > a.txt; git add a.txt
        git commit -qm 'Use ghp_wW3kX9zQ2vB7nM4tR8yL1hD6jS5fG0cAEuKi'; commit b.txt b two; fi; committed again; await never";
    let world = World::new(FILES, script).await?;

    world.run_expecting(2).await?;

    assert_eq!(
        world.failure()?.reason,
        "the commits contain a GitHub token in a commit message, so they were not pushed"
    );
    assert_eq!(world.branch_head(), None);
    Ok(())
}

#[tokio::test]
async fn the_password_of_a_proxy_is_not_pushed() -> anyhow::Result<()> {
    let script = "begin; if first; then commit .npmrc \"proxy=$HTTPS_PROXY\" 'Add it'; fi; committed again; await never";
    let world = World::new(FILES, script)
        .await?
        .with("HTTPS_PROXY", "user:secretpw@127.0.0.1:9");

    world.run_expecting(2).await?;

    let reason = world.failure()?.reason;
    assert!(reason.contains("one of Whim's own credentials"), "{reason}");
    assert_eq!(world.branch_head(), None);
    Ok(())
}
