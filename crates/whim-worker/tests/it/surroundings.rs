//! What the agent gets besides its task: MCP servers, instructions, and a limit of its cost.

use std::fs;

use serde_json::{Value, json};
use whim_core::FailureCause;

use crate::world::{FILES, HAPPY, World};

const POLICY: &str = ".whim/config.yml";
/// Keeps the files that the options name.
const KEEPS_FILES: &str = "previous=
for argument in $(cat \"$control/arguments\"); do
  case $previous in --mcp-config|--instructions) cp \"$argument\" \"$control/$previous\" ;; esac
  previous=$argument
done
";

async fn world(files: &[(&str, &str)], script: &str) -> anyhow::Result<World> {
    let world = World::new(&[FILES, files].concat(), script).await?;
    let file = world.directory.path().join("mcp.json");
    let servers = json!({ "mcpServers": {
        "docs": { "command": "docs-server", "env": { "TOKEN": "a-token-of-the-docs" } },
        "db": { "type": "http", "url": "http://127.0.0.1:9" },
    } });
    fs::write(&file, servers.to_string())?;
    Ok(world.with("MCP_CONFIG", file.display().to_string()))
}

#[tokio::test]
async fn the_agent_gets_the_servers_and_instructions_that_the_policy_chooses() -> anyhow::Result<()> {
    let files = [
        (POLICY, "mcpServers: [docs]\ninstructions: docs/agents.md\n"),
        ("docs/agents.md", "Write short sentences.\n"),
    ];
    let world = world(&files, &format!("{KEEPS_FILES}{HAPPY}"))
        .await?
        .with("ITERATION_BUDGET_USD", "2.5");

    world.run_expecting(0).await?;

    let servers: Value = serde_json::from_str(&world.script_output("--mcp-config")?)?;
    let names: Vec<&String> = servers["mcpServers"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["docs"]);
    assert_eq!(world.script_output("--instructions")?, "Write short sentences.");
    let arguments = world.script_output("arguments")?;
    assert!(arguments.contains("\n--max-budget-usd\n2.5\n"), "{arguments}");
    Ok(())
}

#[tokio::test]
async fn without_a_choice_the_agent_gets_all_servers_of_the_operator() -> anyhow::Result<()> {
    let script = format!("{KEEPS_FILES}begin; greet; echo a-token-of-the-docs; part; complete");
    let world = world(&[], &script).await?;

    let ended = world.run_expecting(0).await?;

    let servers: Value = serde_json::from_str(&world.script_output("--mcp-config")?)?;
    assert_eq!(servers["mcpServers"].as_object().unwrap().len(), 2);
    let arguments = world.script_output("arguments")?;
    assert!(
        !arguments.contains("--instructions") && !arguments.contains("--max-budget-usd"),
        "{arguments}"
    );
    assert!(!ended.log.contains("a-token-of-the-docs"));
    Ok(())
}

#[tokio::test]
async fn servers_and_instructions_that_are_not_there_end_the_attempt_before_the_agent_starts()
-> anyhow::Result<()> {
    for (policy, part) in [
        (
            "mcpServers: [web]\n",
            "`mcpServers`: there is no MCP server \"web\"; the operator has db, docs",
        ),
        (
            "instructions: AGENT.md\n",
            "`instructions`: AGENT.md is no file on main",
        ),
    ] {
        let world = world(&[(POLICY, policy)], HAPPY).await?;

        world.run_expecting(2).await?;

        let failure = world.failure()?;
        assert_eq!(failure.cause, FailureCause::WorkspaceUnusable);
        assert!(failure.reason.contains(part), "{}", failure.reason);
        assert!(world.script_output("arguments").is_err(), "the agent was started");
    }
    Ok(())
}

#[tokio::test]
async fn what_the_setup_leaves_untracked_is_not_blamed_on_the_agent() -> anyhow::Result<()> {
    let setup = (
        POLICY,
        "setup: ['mkdir made; echo x > made/by-setup.txt; echo x > by-setup.txt']\n",
    );
    let world = World::new(&[FILES, &[setup]].concat(), HAPPY).await?;
    world.run_expecting(0).await?;

    let script = "begin; greet; echo x > by-agent.txt; part; complete";
    let world = World::new(&[FILES, &[setup]].concat(), script).await?;
    world.run_expecting(2).await?;
    let notices = world.orchestrator.notices();
    assert!(
        notices
            .iter()
            .any(|notice| notice.contains("by-agent.txt") && !notice.contains("by-setup.txt")),
        "{notices:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_directory_of_the_setup_may_get_files_of_the_agent() -> anyhow::Result<()> {
    let setup = (POLICY, "setup: ['mkdir made; echo x > made/by-setup.txt']\n");
    let files = [FILES, &[setup]].concat();
    let script = "begin; greet; commit made/by-agent.txt x 'Add a file'; part; complete";
    let world = World::new(&files, script).await?;
    world.run_expecting(0).await?;

    let script = "begin; greet; echo x > made/left.txt; part; complete";
    let world = World::new(&files, script).await?;
    world.run_expecting(2).await?;
    let notices = world.orchestrator.notices();
    assert!(
        notices
            .iter()
            .any(|notice| notice.contains("made/left.txt") && !notice.contains("by-setup.txt")),
        "{notices:?}"
    );
    Ok(())
}
