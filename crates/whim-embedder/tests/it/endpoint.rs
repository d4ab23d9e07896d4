//! An API like that of OpenAI, as a stand-in that checks each request.

use std::sync::mpsc::{Receiver, channel};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use whim_core::embedder::EmbedderSource;

use crate::Embedder;

/// Serves one response for every request, and passes on each request with its `Authorization`.
struct StandIn {
    url: String,
    requests: Receiver<(String, Value)>,
    // End the server when they are dropped.
    _server: JoinSet<()>,
    _runtime: Runtime,
}

impl StandIn {
    fn answering(status: u16, answer: Value) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        let handler = move |headers: HeaderMap, body: Bytes| {
            let key = headers["authorization"].to_str().unwrap().to_owned();
            sender
                .send((key, serde_json::from_slice(&body).unwrap()))
                .unwrap();
            let answer = (StatusCode::from_u16(status).unwrap(), axum::Json(answer.clone()));
            async move { answer }
        };
        let router = Router::new().route("/v1/embeddings", post(handler));
        let mut server = JoinSet::new();
        server.spawn_on(
            async move { axum::serve(listener, router).await.unwrap() },
            runtime.handle(),
        );
        Self {
            url,
            requests,
            _server: server,
            _runtime: runtime,
        }
    }

    fn embedder(&self) -> Embedder {
        Embedder::ready(&EmbedderSource::Endpoint {
            url: self.url.clone(),
            model: "a-model".to_owned(),
            api_key: Some("a-key".to_owned()),
        })
    }
}

fn item(index: usize, number: f32) -> Value {
    let mut vector = vec![0.0; 384];
    vector[index] = number;
    json!({ "object": "embedding", "index": index, "embedding": vector })
}

#[test]
fn an_endpoint_is_asked_for_384_numbers_and_its_vectors_get_the_length_1() {
    let server = StandIn::answering(200, json!({ "data": [item(1, 3.0), item(0, 2.0)] }));
    let mut embedder = server.embedder();
    let vectors = embedder.vectors(&["one", "two"]);
    assert_eq!((vectors[0][0], vectors[1][1], vectors[1][0]), (1.0, 1.0, 0.0));
    let (key, body) = server.requests.recv().unwrap();
    assert_eq!(key, "Bearer a-key");
    assert_eq!(
        body,
        json!({ "model": "a-model", "input": ["one", "two"], "dimensions": 384, "encoding_format": "float" })
    );
    assert_eq!(embedder.end(), 0);
}

#[test]
fn answers_that_cannot_be_used_are_errors_with_the_setting() {
    let short = json!({ "data": [{ "index": 0, "embedding": [1.0, 0.0] }] });
    for (status, answer, expected) in [
        (401, json!({ "error": "no" }), "check EMBEDDING_API_KEY"),
        (404, json!({}), "check EMBEDDING_URL and EMBEDDING_MODEL"),
        (500, json!({}), "EMBEDDING_URL answered 500"),
        (200, json!({ "data": [] }), "0 vectors for 1 texts"),
        (200, short, "vectors of 2 numbers; expected 384"),
        (200, json!({ "data": [item(0, 0.0)] }), "without a direction"),
        (200, json!({ "other": 1 }), "parsing the response"),
    ] {
        let server = StandIn::answering(status, answer);
        let mut embedder = server.embedder();
        let error = embedder.error(&["one"]);
        assert!(error.contains(expected), "{status}: {error}");
        assert!(!error.contains("a-key"), "{error}");
    }
}
