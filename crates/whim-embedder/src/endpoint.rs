//! An API like that of OpenAI.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, RequestBuilder, Url};
use serde::Deserialize;
use tokio::runtime::{Builder, Runtime};
use whim_core::embedder::DIMENSIONS;

use crate::embed::Embed;

const TIMEOUT: Duration = Duration::from_secs(30);
/// A response of 64 vectors has about 600 kB.
const MAX_RESPONSE_BYTES: usize = 16 << 20;
const MAX_SHOWN_BYTES: usize = 300;

pub(crate) struct Endpoint {
    runtime: Runtime,
    client: Client,
    url: Url,
    model: String,
    api_key: Option<String>,
}

#[derive(Deserialize)]
struct Response {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f32>,
}

impl Endpoint {
    /// # Errors
    /// The URL is not one, or the machine lacks a resource.
    pub(crate) fn new(url: &str, model: String, api_key: Option<String>) -> anyhow::Result<Self> {
        let url =
            Url::parse(&format!("{}/embeddings", url.trim_end_matches('/'))).context("EMBEDDING_URL")?;
        // Another part of the program may have installed it.
        let _installed_before = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(TIMEOUT)
            // A redirect could take the key and the texts elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("whim-embedder/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("creating the HTTP client")?;
        Ok(Self {
            runtime: Builder::new_current_thread().enable_all().build()?,
            client,
            url,
            model,
            api_key,
        })
    }

    fn request(&self, texts: &[String]) -> RequestBuilder {
        let body = serde_json::json!({
            "model": self.model,
            "input": texts,
            "dimensions": DIMENSIONS,
            "encoding_format": "float",
        });
        let request = self.client.post(self.url.clone()).json(&body);
        match &self.api_key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    async fn call(&self, texts: &[String]) -> anyhow::Result<Vec<Vec<f32>>> {
        let mut response = self
            .request(texts)
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .context("calling EMBEDDING_URL")?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .context("reading the response of EMBEDDING_URL")?
        {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_RESPONSE_BYTES {
                bail!("the response of EMBEDDING_URL is larger than {MAX_RESPONSE_BYTES} bytes");
            }
        }
        if !status.is_success() {
            body.truncate(MAX_SHOWN_BYTES);
            let hint = match status.as_u16() {
                401 | 403 => "; check EMBEDDING_API_KEY",
                404 => "; check EMBEDDING_URL and EMBEDDING_MODEL",
                _ => "",
            };
            bail!(
                "EMBEDDING_URL answered {status}: {}{hint}",
                String::from_utf8_lossy(&body)
            );
        }
        let response: Response =
            serde_json::from_slice(&body).context("parsing the response of EMBEDDING_URL")?;
        vectors(response, texts.len())
    }
}

impl Embed for Endpoint {
    fn embed(&self, texts: &[String]) -> anyhow::Result<Vec<Vec<f32>>> {
        self.runtime.block_on(self.call(texts))
    }
}

/// In the order of the texts, and of length 1.
fn vectors(response: Response, count: usize) -> anyhow::Result<Vec<Vec<f32>>> {
    let mut items = response.data;
    items.sort_by_key(|item| item.index);
    if !items.iter().map(|item| item.index).eq(0..count) {
        bail!("EMBEDDING_URL returned {} vectors for {count} texts", items.len());
    }
    items
        .into_iter()
        .map(|item| {
            let found = item.embedding.len();
            if found != DIMENSIONS {
                bail!(
                    "EMBEDDING_MODEL has vectors of {found} numbers; expected {DIMENSIONS}: choose a model that has as \
                     many, or that accepts the parameter `dimensions`"
                );
            }
            let length = item.embedding.iter().map(|number| number * number).sum::<f32>().sqrt();
            if !length.is_normal() {
                bail!("EMBEDDING_URL returned a vector without a direction");
            }
            Ok(item.embedding.iter().map(|number| number / length).collect())
        })
        .collect()
}
