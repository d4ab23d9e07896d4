//! Requests and responses, one JSON line each.

use std::io::{BufRead, Write};

use anyhow::Context as _;
use serde::Serialize;
use whim_core::embedder::{EmbedRequest, EmbedResponse, EmbedderReady, EmbedderSource};

use crate::embed::Embed;
use crate::endpoint::Endpoint;
use crate::model::Model;

/// Opens the source that the first line names.
///
/// # Errors
/// The model's files are missing or others, or the endpoint cannot be called.
fn open(source: EmbedderSource) -> anyhow::Result<Box<dyn Embed>> {
    Ok(match source {
        EmbedderSource::Model { directory } => Box::new(Model::load(&directory)?),
        EmbedderSource::Endpoint { url, model, api_key } => Box::new(Endpoint::new(&url, model, api_key)?),
    })
}

/// Answers each line of `requests` with one of `responses`, in order, until `requests` ends.
///
/// # Errors
/// A stream failed, or the first request is not a usable source. What is wrong with another request is its response.
pub(crate) fn serve(requests: impl BufRead, mut responses: impl Write) -> anyhow::Result<()> {
    let mut lines = requests.lines();
    let Some(first) = lines.next() else {
        return Ok(());
    };
    let first = first.context("reading the source")?;
    let opened = serde_json::from_str(&first)
        .context("the source is not valid")
        .and_then(open);
    let embedder = match opened {
        Ok(embedder) => embedder,
        Err(error) => {
            send(&mut responses, &EmbedderReady::Error(format!("{error:#}")))?;
            return Err(error);
        }
    };
    send(&mut responses, &EmbedderReady::Ready)?;
    for line in lines {
        let line = line.context("reading a request")?;
        send(&mut responses, &respond(embedder.as_ref(), &line))?;
    }
    Ok(())
}

fn respond(embedder: &dyn Embed, line: &str) -> EmbedResponse {
    let vectors = serde_json::from_str::<EmbedRequest>(line)
        .context("the request is not valid")
        .and_then(|request| embedder.embed(&request.texts));
    match vectors {
        Ok(vectors) => EmbedResponse::Vectors(vectors),
        Err(error) => EmbedResponse::Error(format!("{error:#}")),
    }
}

fn send(responses: &mut impl Write, response: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(response)?;
    line.push(b'\n');
    responses
        .write_all(&line)
        .and_then(|()| responses.flush())
        .context("writing a response")
}
