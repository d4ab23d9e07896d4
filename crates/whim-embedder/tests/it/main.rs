//! The embedder as its caller sees it: one JSON line per request and per response.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod endpoint;
mod model;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;
use whim_core::embedder::{EmbedRequest, EmbedResponse, EmbedderReady, EmbedderSource};

struct Embedder {
    child: Child,
    requests: ChildStdin,
    responses: BufReader<ChildStdout>,
}

impl Embedder {
    fn start(source: &EmbedderSource) -> (Self, EmbedderReady) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_whim-embedder"))
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (requests, responses) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut embedder = Self {
            child,
            requests,
            responses: BufReader::new(responses),
        };
        let ready = serde_json::from_str(&embedder.ask(source)).unwrap();
        (embedder, ready)
    }

    fn ready(source: &EmbedderSource) -> Self {
        let (embedder, ready) = Self::start(source);
        assert_eq!(ready, EmbedderReady::Ready);
        embedder
    }

    fn embed(&mut self, texts: &[&str]) -> EmbedResponse {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        serde_json::from_str(&self.ask(&EmbedRequest { texts })).unwrap()
    }

    fn vectors(&mut self, texts: &[&str]) -> Vec<Vec<f32>> {
        match self.embed(texts) {
            EmbedResponse::Vectors(vectors) => vectors,
            EmbedResponse::Error(error) => panic!("{error}"),
        }
    }

    fn error(&mut self, texts: &[&str]) -> String {
        match self.embed(texts) {
            EmbedResponse::Error(error) => error,
            EmbedResponse::Vectors(vectors) => panic!("{} vectors", vectors.len()),
        }
    }

    fn ask(&mut self, request: &impl Serialize) -> String {
        self.send(&serde_json::to_string(request).unwrap())
    }

    fn send(&mut self, line: &str) -> String {
        writeln!(self.requests, "{line}").unwrap();
        let mut response = String::new();
        self.responses.read_line(&mut response).unwrap();
        response
    }

    /// The exit code after the end of the input.
    fn end(self) -> i32 {
        let Self {
            mut child,
            requests,
            responses,
        } = self;
        drop((requests, responses));
        child.wait().unwrap().code().unwrap()
    }
}
