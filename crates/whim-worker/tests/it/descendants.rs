use crate::world::{FILES, World, wait_until_exited};

/// Children that left the process group, the session and the environment, and one that ignores signals (`docs/faults.md`, row 41).
const LEAVES_CHILDREN: &str = r#"begin; greet
setsid sleep 1000 & echo $! >> "$control/pids"
env -i setsid sh -c 'sleep 1000 & echo $!' >> "$control/pids"
( trap '' TERM INT; exec sleep 1000 ) & echo $! >> "$control/pids"
part"#;

#[tokio::test]
async fn no_process_of_the_agent_survives_it() -> anyhow::Result<()> {
    let world = World::new(FILES, &format!("{LEAVES_CHILDREN}; complete")).await?;

    world.run_expecting(0).await?;

    let pids = world.script_output("pids")?;
    assert_eq!(pids.split_whitespace().count(), 3);
    wait_until_exited(&pids).await
}

#[tokio::test]
async fn a_child_with_an_open_output_does_not_block_the_worker() -> anyhow::Result<()> {
    let script = format!("{LEAVES_CHILDREN}; emit '{{\"event\":\"failed\",\"error\":\"enough\"}}'; exit 3");
    let world = World::new(FILES, &script).await?;

    world.run_expecting(2).await?;

    assert_eq!(world.failure()?.reason, "ralph failed: enough");
    wait_until_exited(&world.script_output("pids")?).await
}

#[tokio::test]
async fn no_process_of_the_tests_survives_them() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; greet; part; complete").await?;
    let pids = world.control().join("pids");
    let makefile = format!("test:\n\tsetsid sleep 1000 & echo $$! > {}\n", pids.display());
    world
        .github
        .commit_files("acme/shop", "main", "Leave a child", &[("Makefile", &makefile)]);

    world.run_expecting(0).await?;

    wait_until_exited(&world.script_output("pids")?).await
}
