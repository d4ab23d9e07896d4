//! What may be asked, and in which form.

use crate::world::{ID, NAME, World, container_body};

#[tokio::test]
async fn unknown_calls_are_refused_without_a_call_to_the_engine() {
    let world = World::new();
    world.has_worker();
    let lines = [
        // Ways into a container, out of it, or around it.
        "POST /containers/NAME/exec",
        "POST /exec/1/start",
        "GET /containers/NAME/archive?path=/",
        "PUT /containers/NAME/archive?path=/",
        "GET /containers/NAME/export",
        "POST /containers/NAME/update",
        "POST /containers/NAME/rename?name=x",
        "POST /containers/NAME/copy",
        "POST /containers/NAME/pause",
        "GET /containers/NAME/attach/ws",
        "POST /containers/prune",
        "POST /commit?container=NAME",
        "POST /build",
        "POST /session",
        "POST /grpc",
        "POST /images/create?fromImage=alpine",
        "POST /images/load",
        "DELETE /images/whim-worker:1",
        "GET /images/json",
        "GET /images/alpine/json",
        "GET /images/registry.example:5000/team/other:2/json",
        "GET /distribution/whim-worker:1/json",
        "POST /swarm/init",
        "GET /plugins",
        "POST /plugins/pull",
        "GET /secrets",
        "GET /configs",
        "GET /info",
        "POST /auth",
        "GET /system/df",
        "GET /networks/whim-data",
        "POST /networks/prune",
        "POST /networks/whim-data/connect",
        "POST /volumes/prune",
        "PUT /volumes/NAME",
        "GET /volumes/NAME",
        // Other methods of what is on it.
        "POST /containers/json",
        "GET /containers/create",
        "PUT /containers/create",
        "DELETE /containers/NAME/json",
        "HEAD /containers/NAME/archive?path=/",
        "OPTIONS /containers/json",
        "TRACE /version",
        // Spellings.
        "POST /containers/create/",
        "POST //containers/create",
        "POST /containers//create",
        "POST /./containers/create",
        "POST /version/../containers/create",
        "POST /v1.41/../containers/create",
        "POST /containers/NAME/start/../exec",
        "POST /containers/NAME%2Fexec/start",
        "POST /containers/%2e%2e/build",
        "POST /%63ontainers/create",
        "POST /containers/NAME/%65xec",
        "POST /containers/NAME;x/start",
        "POST /containers/NAME/start\\..\\exec",
        "GET /V1.41/version",
        "GET /v1.41/v1.41/version",
        "GET /v1./version",
        "GET /v2.0/version",
        "GET /v1.4x/version",
        "GET http://169.254.169.254/version",
        "GET unix://x/version",
        "CONNECT 10.0.0.1:2375",
        "OPTIONS *",
    ];
    for line in lines {
        let line = line.replace("NAME", NAME);
        let (method, path) = line.split_once(' ').unwrap();
        let (status, answer) = world.call(method, path).await;
        assert!(matches!(status, 400 | 403), "{line}: {status} {answer}");
    }
    assert_eq!(world.lines(), [""; 0]);
}

#[tokio::test]
async fn unknown_and_repeated_parameters_are_refused() {
    let world = World::new();
    world.has_worker();
    let lines = [
        "POST /containers/NAME/start?detachKeys=ctrl-p",
        "POST /containers/NAME/start?checkpoint=x&checkpoint-dir=/",
        "POST /containers/NAME/stop?signal=KILL",
        "POST /containers/NAME/stop?t=-1",
        "POST /containers/NAME/stop?t=18446744073709551615",
        "POST /containers/NAME/stop?t=1&t=2",
        "POST /containers/NAME/stop?t=1;t=2",
        "POST /containers/NAME/stop?t=1%26t%3D2",
        "DELETE /containers/NAME?link=true",
        "DELETE /containers/NAME?force=1",
        "GET /containers/NAME/json?size=true",
        "GET /containers/NAME/logs?tail=x",
        "GET /containers/NAME/logs?details=true",
        "GET /containers/json?size=true",
        "GET /containers/json?before=x",
        "GET /containers/json?filters=%7B%22volume%22%3A%5B%22x%22%5D%7D",
        "GET /containers/json?filters=x",
        "GET /containers/json?filters=%7B%22label%22%3A%7B%22x%22%3Atrue%7D%7D",
        "GET /events?filters=%7B%22event%22%3A%5B%22exec_create%22%5D%7D",
        "GET /events?filters=%7B%22event%22%3A%5B%5D%7D",
        "GET /volumes?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D",
        "GET /networks?filters=%7B%22driver%22%3A%5B%22bridge%22%5D%7D",
        "DELETE /volumes/NAME?force=true",
        "DELETE /networks/whim-old?force=true",
        "GET /images/whim-worker:1/json?manifests=true",
        "GET /networks/whim-workers?scope=swarm",
        "GET /version?x",
    ];
    for line in lines {
        let line = line.replace("NAME", NAME);
        let (method, path) = line.split_once(' ').unwrap();
        let (status, answer) = world.call(method, path).await;
        assert_eq!(status, 403, "{line}: {answer}");
    }
    assert_eq!(world.lines(), [""; 0]);
}

#[tokio::test]
async fn read_only_calls_of_whim_are_forwarded() {
    let world = World::new();
    for (asked, handed) in [
        ("/_ping", "/_ping"),
        ("/version", "/version"),
        // What is asked of one version of the engine's interface is asked of the newest.
        ("/v1.41/version", "/version"),
        ("/v1.24/_ping", "/_ping"),
        ("/images/whim-worker:1/json", "/images/whim-worker:1/json"),
        (
            "/images/registry.example:5000/team/shop:2/json",
            "/images/registry.example:5000/team/shop:2/json",
        ),
        ("/networks/whim-workers", "/networks/whim-workers"),
    ] {
        let (status, answer) = world.call("GET", asked).await;
        assert_eq!(status, 200, "{asked}: {answer}");
        assert_eq!(world.lines().last().unwrap(), &format!("GET {handed}"));
    }
}

#[tokio::test]
async fn a_connection_serves_one_unambiguous_request() {
    let world = World::new();
    world.has_worker();
    let hidden = "GET /containers/json HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = hidden.len();
    // The second is not read.
    let (status, answer) = world
        .send(format!("GET /version HTTP/1.1\r\nHost: x\r\n\r\n{hidden}"))
        .await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 0, "{answer}");
    assert_eq!(world.lines(), ["GET /version"]);

    // These are not let through at all.
    let start = format!("POST /containers/{NAME}/start HTTP/1.1\r\nHost: x\r\n");
    for request in [
        // A body, which old versions of the engine took for settings.
        format!("{start}Content-Length: {length}\r\n\r\n{hidden}"),
        format!("{start}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        // Two lengths.
        format!("{start}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{start}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}"),
        format!("{start}Transfer-Encoding: gzip, chunked, x\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{start}Content-Length: +0\r\n\r\n{hidden}"),
    ] {
        let (status, answer) = world.send(&request).await;
        assert!(matches!(status, 400 | 403), "{request}: {status} {answer}");
    }
    assert_eq!(world.lines(), ["GET /version"]);
}

#[tokio::test]
async fn sizes_are_bounded() {
    let world = World::new();
    let long = "x".repeat(100_000);
    let (status, _) = world
        .send(format!(
            "GET /version HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n"
        ))
        .await;
    assert_eq!(status, 431);
    let (status, _) = world.call("GET", &format!("/containers/{long}/json")).await;
    assert!(matches!(status, 414 | 431), "{status}");
    let many = "X-Many: x\r\n".repeat(100);
    let (status, _) = world
        .send(format!("GET /version HTTP/1.1\r\nHost: x\r\n{many}\r\n"))
        .await;
    assert_eq!(status, 431);

    let mut body = container_body();
    body["Env"] = serde_json::json!([format!("A={}", "x".repeat(200_000))]);
    let (status, answer) = world
        .post(&format!("/containers/create?name={NAME}"), &body.to_string())
        .await;
    assert_eq!(status, 403, "{answer}");
    assert_eq!(world.lines(), [""; 0]);
}

#[tokio::test]
async fn headers_of_the_orchestrator_are_not_forwarded() {
    let world = World::new();
    world.has_worker();
    let (status, answer) = world
        .send(format!(
            "POST /containers/{ID}/start HTTP/1.1\r\nHost: evil\r\nX-Registry-Auth: e30=\r\n\
             Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n"
        ))
        .await;
    assert_eq!(status, 204, "{answer}");
    let started = world.asked().pop().unwrap();
    assert_eq!(started.line, format!("POST /containers/{ID}/start?"));
    assert_eq!(started.headers, ["host: docker"]);
}
