//! `POST /api/work`.

use axum::http::Method;
use serde_json::{Value, json};

use crate::world::{SPEC, World, complete, id_of, request};

#[tokio::test]
async fn an_item_with_a_spec_is_queued_on_a_branch_that_names_the_issue() {
    let world = World::new().await;
    let body = json!({
        "repo": "octocat/hello",
        "spec": SPEC,
        "priority": "high",
        "maxIterations": 5,
        "metadata": { "issueNumber": 42, "issueTitle": "Greet the world; $(touch x)", "team": "greeters" },
    });

    let answer = world.post("/api/work", &body).await;

    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let item = answer.expect(201);
    assert_eq!(location, format!("/api/work/{}", id_of(&item)));
    assert_eq!(world.get(&location).await.expect(200), item);
    let short = id_of(&item).short();
    assert_eq!(item["branch"], format!("whim/42-greet-the-world-touch-x-{short}"));
    insta::assert_json_snapshot!(item, {
        ".id" => "[id]", ".branch" => "[branch]", ".createdAt" => "[time]", ".updatedAt" => "[time]",
    });
}

#[tokio::test]
async fn an_item_with_a_description_waits_for_its_spec() {
    let world = World::new().await;
    let body = json!({ "repo": "octocat/hello", "description": "Say hello." });

    let item = world.post("/api/work", &body).await.expect(201);

    assert_eq!(item["status"], "generating");
    assert_eq!(item["description"], "Say hello.");
    assert_eq!((&item["spec"], &item["tasksTotal"]), (&Value::Null, &json!(0)));
    assert!(world.claim().await.is_none());
}

#[tokio::test]
async fn the_same_reference_returns_the_existing_item_in_any_state() {
    let world = World::new().await;
    let body = json!({ "repo": "octocat/hello", "spec": SPEC, "source": "github", "sourceRef": "42" });
    let first = world.post("/api/work", &body).await.expect(201);

    // Names on GitHub are case-insensitive, and the other fields are ignored.
    let again = json!({ "repo": "Octocat/Hello", "description": "x", "source": "github", "sourceRef": "42" });
    assert_eq!(
        id_of(&world.post("/api/work", &again).await.expect(200)),
        id_of(&first)
    );

    let worker = world.start_worker().await;
    world.call(&worker, "complete", &complete()).await.expect(200);
    let done = world.post("/api/work", &again).await.expect(200);
    assert_eq!(
        (id_of(&done), &done["status"]),
        (id_of(&first), &json!("completed"))
    );

    for (name, value) in [
        ("repo", "octocat/other"),
        ("source", "gitlab"),
        ("sourceRef", "43"),
    ] {
        let mut other = body.clone();
        other[name] = json!(value);
        assert_ne!(
            id_of(&world.post("/api/work", &other).await.expect(201)),
            id_of(&first)
        );
    }
}

#[tokio::test]
async fn of_concurrent_submissions_of_one_issue_one_creates_the_item() {
    let world = World::new().await;
    let body = json!({ "repo": "octocat/hello", "spec": SPEC, "source": "github", "sourceRef": "42" });

    let answers = futures::future::join_all((0..20).map(|_| world.post("/api/work", &body))).await;

    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let found = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((made, found), (1, 19));
    assert_eq!(world.number("select count(*) from work_items").await, 1);
}

#[tokio::test]
async fn without_a_reference_every_submission_is_a_new_item() {
    let world = World::new().await;
    assert_ne!(world.submit().await, world.submit().await);
}

#[tokio::test]
async fn a_branch_has_one_live_item() {
    let world = World::new().await;
    let body = json!({ "repo": "octocat/hello", "branch": "ai/greet", "spec": SPEC });
    let first = world.post("/api/work", &body).await.expect(201);

    let refused = world.post("/api/work", &body).await.expect(409);
    assert_eq!(refused["code"], "branch_in_use");
    assert_eq!(refused["details"]["workItemId"], first["id"]);

    world
        .post(&format!("/api/work/{}/cancel", id_of(&first)), &json!({}))
        .await
        .expect(200);
    world.post("/api/work", &body).await.expect(201);
}

#[tokio::test]
async fn a_base_or_default_branch_is_refused_as_work_branch() {
    let world = World::new().await;
    for (branch, base) in [("main", None), ("master", None), ("develop", Some("develop"))] {
        let body = json!({
            "repo": "octocat/hello", "branch": branch, "spec": SPEC, "metadata": base.map(|base| json!({"base": base})).unwrap_or(json!({})),
        });
        assert_eq!(
            world.post("/api/work", &body).await.expect_refused_field(),
            "branch"
        );
    }
}

#[tokio::test]
async fn a_submission_has_either_a_spec_or_a_description() {
    let world = World::new().await;
    for texts in [json!({}), json!({ "spec": SPEC, "description": "x" })] {
        let mut body = json!({ "repo": "octocat/hello" });
        body.as_object_mut()
            .unwrap()
            .extend(texts.as_object().unwrap().clone());
        assert_eq!(
            world.post("/api/work", &body).await.expect_refused_field(),
            "spec"
        );
    }
}

#[tokio::test]
async fn a_spec_without_an_open_task_is_refused() {
    let world = World::new().await;
    for spec in [
        "",
        "  \n",
        "# Only prose",
        "# All done\n\n- [x] it",
        "- [ ] a NUL \0",
    ] {
        let body = json!({ "repo": "octocat/hello", "spec": spec });
        assert_eq!(
            world.post("/api/work", &body).await.expect_refused_field(),
            "spec",
            "{spec:?}"
        );
    }
}

#[tokio::test]
async fn violated_conventions_of_a_submitted_spec_are_warnings() {
    let world = World::new().await;
    let spec = "# Fix the login\n\n- [ ] Change the check at auth.ts:42\n";

    let item = world
        .post("/api/work", &json!({ "repo": "octocat/hello", "spec": spec }))
        .await
        .expect(201);

    assert_eq!(item["status"], "queued");
    let warnings = item["warnings"].as_array().unwrap();
    assert!(
        warnings
            .iter()
            .any(|text| text.as_str().unwrap().contains("auth.ts:42")),
        "{warnings:?}"
    );
    assert_eq!(world.item(id_of(&item)).await["warnings"], Value::Null);
}

// docs/attacks.md, rows 1 and 10.
#[tokio::test]
async fn names_that_could_harm_are_refused_at_the_edge_and_the_field_is_named() {
    let world = World::new().await;
    let hostile = [
        "",
        "-x/y",
        "--upload-pack=touch x",
        "x/y;id",
        "x/$(touch x)",
        "x/`id`",
        "ext::sh -c id",
        "../x/y",
        "x/y z",
        "x/y\nz",
        "x/..",
        "x'y",
        "x\"y",
        "x/y.lock",
        "x@{1}/y",
        "https://user@host/x",
    ];
    for name in hostile {
        let with = |field: &str| {
            let mut body = json!({ "repo": "octocat/hello", "spec": SPEC });
            body[field] = json!(name);
            body
        };
        for field in ["repo", "branch", "source"] {
            if field == "repo" && name == "x/y.lock" {
                // GitHub allows that one.
                continue;
            }
            let answer = world.post("/api/work", &with(field)).await;
            assert_eq!(answer.expect_refused_field(), field, "{name:?} as {field}");
        }
        let body = json!({ "repo": "octocat/hello", "spec": SPEC, "metadata": { "base": name } });
        let answer = world.post("/api/work", &body).await;
        assert!(
            answer.expect_refused_field().starts_with("metadata"),
            "{name:?} as the base"
        );
    }
    assert_eq!(world.number("select count(*) from work_items").await, 0);
}

// docs/attacks.md, row 36.
#[tokio::test]
async fn text_is_stored_and_searched_literally_and_never_becomes_sql() {
    let world = World::new().await;
    let hostile = "'; drop table work_items; -- \" \\ $1 %s {} \u{202e}";
    let body = json!({
        "repo": "octocat/hello",
        "description": hostile,
        "sourceRef": hostile,
        "metadata": { "issueTitle": hostile, hostile: [hostile] },
    });

    let item = world.post("/api/work", &body).await.expect(201);

    assert_eq!(
        (&item["description"], &item["sourceRef"]),
        (&json!(hostile), &json!(hostile))
    );
    assert_eq!(item["metadata"], body["metadata"]);
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("sourceRef", hostile)
        .finish();
    let page = world.get(&format!("/api/work?{query}")).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let cancel = json!({ "cancelledBy": hostile, "reason": hostile });
    let cancelled = world
        .post(&format!("/api/work/{}/cancel", id_of(&item)), &cancel)
        .await
        .expect(200);
    assert!(cancelled["error"].as_str().unwrap().contains(hostile));
}

#[tokio::test]
async fn invalid_fields_are_named() {
    let world = World::new().await;
    let cases = [
        (
            "repository",
            json!({ "repo": "octocat/hello", "spec": SPEC, "repository": "x" }),
        ),
        ("repo", json!({ "spec": SPEC })),
        ("repo", json!({ "repo": 7, "spec": SPEC })),
        (
            "priority",
            json!({ "repo": "octocat/hello", "spec": SPEC, "priority": "urgent" }),
        ),
        (
            "maxIterations",
            json!({ "repo": "octocat/hello", "spec": SPEC, "maxIterations": 0 }),
        ),
        (
            "sourceRef",
            json!({ "repo": "octocat/hello", "spec": SPEC, "sourceRef": "" }),
        ),
        (
            "sourceRef",
            json!({ "repo": "octocat/hello", "spec": SPEC, "sourceRef": "x".repeat(201) }),
        ),
        (
            "description",
            json!({ "repo": "octocat/hello", "description": "a\0b" }),
        ),
        (
            "description",
            json!({ "repo": "octocat/hello", "description": " " }),
        ),
        (
            "metadata",
            json!({ "repo": "octocat/hello", "spec": SPEC, "metadata": { "x": "a\0b" } }),
        ),
        (
            "metadata",
            json!({ "repo": "octocat/hello", "spec": SPEC, "metadata": { "x": "y".repeat(70_000) } }),
        ),
    ];
    for (field, body) in cases {
        assert_eq!(
            world.post("/api/work", &body).await.expect_refused_field(),
            field,
            "{body}"
        );
    }
}

// docs/attacks.md, row 34.
#[tokio::test]
async fn bodies_and_texts_are_bounded() {
    let world = World::new().await;
    let spec = format!("# A long one\n\n- [ ] {}", "x".repeat(300 * 1024));
    let body = json!({ "repo": "octocat/hello", "spec": spec });
    assert_eq!(
        world.post("/api/work", &body).await.expect_refused_field(),
        "spec"
    );

    let body = json!({ "repo": "octocat/hello", "spec": SPEC, "description": "x".repeat(1024 * 1024) });
    let refused = world.post("/api/work", &body).await.expect(413);
    assert_eq!(
        (&refused["code"], &refused["details"]["maxBytes"]),
        (&json!("too_large"), &json!(1_048_576))
    );

    let deep = format!(
        r#"{{"repo":"octocat/hello","metadata":{{"x":{}{}}}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let request = request(Method::POST, "/api/work").header("content-type", "application/json");
    assert_eq!(world.send(request.body(deep.into()).unwrap()).await.status, 400);
}
