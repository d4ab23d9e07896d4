//! Hostile issues, and a model that follows their instructions.

use whim_core::WorkItemStatus;
use whim_e2e::sample;
use whim_e2e::system::{Options, System};
use whim_testkit::anthropic::Coder;
use whim_testkit::wait::wait_until;

use crate::world::{TIMEOUT, one_repository};

/// All pushed commits with their patches.
fn pushed_commits(system: &System) -> String {
    let repository = system.github.bare_repository(sample::REPOSITORY);
    repository
        .run([
            "log",
            "--all",
            "--patch",
            "--format=%H%n%an%n%ae%n%B",
            "--no-color",
        ])
        .unwrap()
}

#[tokio::test]
async fn shell_syntax_in_an_issue_is_not_executed() {
    let system = one_repository(Options::watching([sample::REPOSITORY])).await;
    let marker = system.directory().join("marker");
    let shell = format!(
        "$(touch {0}) `touch {0}` ; touch {0} | touch {0}\n'\"\\",
        marker.display()
    );
    let issue = system.github.create_issue(
        sample::REPOSITORY,
        &format!("--upload-pack={shell}"),
        &format!("- Explain {shell}"),
        &["whim"],
    );
    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();
    assert!(!marker.exists(), "a shell executed the text of the issue");
    system.stop().await.unwrap();
}

#[tokio::test]
async fn no_secret_is_pushed_by_an_agent_that_collects_its_environment() {
    let system =
        one_repository(Options::watching([sample::REPOSITORY]).setting("RETRY_DELAYS_SECONDS", "0.2")).await;
    let collect = "mkdir -p notes; env > notes/env.txt; cat .git/config >> notes/env.txt; cat /proc/[0-9]*/environ 2>/dev/null \
                   | tr '\\000' '\\n' | grep -a -i -e token -e key >> notes/env.txt; git add -A notes; git commit -q -m notes; true";
    system.anthropic.set_coder(Coder::default().obeying(collect));
    let issue = system.github.create_issue(
        sample::REPOSITORY,
        "Improve the documentation",
        "- Describe it",
        &["whim"],
    );

    let item = wait_until("the item to end", TIMEOUT, async || {
        match system.item_of(sample::REPOSITORY, issue).await {
            Ok(Some(item)) if item.status.is_terminal() => Ok(item),
            other => Err(format!("{other:?}\n{}", system.logs())),
        }
    })
    .await
    .unwrap();

    let pushed = pushed_commits(&system);
    for secret in [
        system.github.token(),
        system.anthropic.api_key(),
        system.api_key(),
    ] {
        assert!(!pushed.contains(secret), "a secret was pushed");
        assert!(!system.logs().contains(secret), "a secret is in a log");
    }
    assert_eq!(
        item.status,
        WorkItemStatus::Failed,
        "the commits with the model credential were pushed"
    );
    assert!(item.error.unwrap().contains("credential"));
    system.stop().await.unwrap();
}

// docs/attacks.md, row 6.
#[tokio::test]
async fn the_environment_of_an_agent_has_no_credential_but_its_token_for_the_gateway() {
    let system = one_repository(Options::watching([sample::REPOSITORY])).await;
    let collected = system.directory().join("collected.txt");
    let collect = format!("env > {}", collected.display());
    system
        .anthropic
        .set_coder(Coder::default().test_command("npm test").obeying(&collect));
    let issue = system.github.create_issue(
        sample::REPOSITORY,
        "Improve the documentation",
        "- Describe it",
        &["whim"],
    );
    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();

    let environment = std::fs::read_to_string(&collected).unwrap();
    for secret in [
        system.github.token(),
        system.anthropic.api_key(),
        system.api_key(),
    ] {
        assert!(!environment.contains(secret), "{environment}");
    }
    let token = environment
        .lines()
        .find_map(|line| line.strip_prefix("ANTHROPIC_AUTH_TOKEN="))
        .expect("the agent has a token");
    // It is worth nothing at the orchestrator, and nothing at all now that the attempt has ended.
    let status = reqwest::Client::new()
        .get(system.api_url().join("/api/status").unwrap())
        .bearer_auth(token);
    assert_eq!(status.send().await.unwrap().status(), 401);
    let model = reqwest::Client::new()
        .post(system.gateway_url().join("/anthropic/v1/messages").unwrap())
        .bearer_auth(token)
        .body("{}");
    wait_until("the token to be unknown", TIMEOUT, async || {
        let answer = model.try_clone().unwrap().send().await.unwrap();
        if answer.status() == 403 {
            Ok(())
        } else {
            Err(answer.status())
        }
    })
    .await
    .unwrap();
    system.stop().await.unwrap();
}
