use crate::world::{FILES, World};

/// Garbage between the events of a run that goes well (`docs/faults.md`, row 42).
const GARBAGE: &str = r#"begin
head -c 3000000 /dev/zero | tr '\0' x; echo
printf '{"event":"tool","type":"read","path":"'; head -c 2000000 /dev/zero | tr '\0' y; printf '"}\n'
printf '\377\376 not text \000 at all\r\n'
emit '{"event":"sunshine","degrees":21}'
emit '{"event":"iteration","n":"not a number"}'
emit '{"event":"task_complete","index":999,"text":"Nothing"}'
emit '{"event":'
greet
part
printf '{"event":"complete","tasks_done":2,"total_duration_ms":10}'
exit 0"#;

#[tokio::test]
async fn garbage_between_events_loses_none_of_them() -> anyhow::Result<()> {
    let world = World::new(FILES, GARBAGE).await?;

    world.run_expecting(0).await?;

    let events = world.orchestrator.ralph_events();
    let count = |name: &str| events.iter().filter(|event| *event == name).count();
    assert_eq!(
        (count("commit"), count("sunshine"), count("complete")),
        (2, 1, 1),
        "{events:?}"
    );
    let notices = world.orchestrator.notices().join("\n");
    assert!(notices.contains("1951424 bytes were dropped"), "{notices}");
    assert!(
        notices.contains("ralph sent an invalid event `iteration`"),
        "{notices}"
    );
    Ok(())
}

#[tokio::test]
async fn an_event_of_a_megabyte_is_truncated() -> anyhow::Result<()> {
    let script = "begin; printf '{\"event\":\"tool\",\"type\":\"read\",\"path\":\"'; \
        head -c 900000 /dev/zero | tr '\\0' y; printf '\"}\\n'; greet; part; complete";
    let world = World::new(FILES, script).await?;

    world.run_expecting(0).await?;

    let largest = world
        .orchestrator
        .heartbeats()
        .iter()
        .map(|heartbeat| serde_json::to_string(heartbeat).unwrap().len())
        .max();
    assert!(largest < Some(20_000), "{largest:?}");
    Ok(())
}
