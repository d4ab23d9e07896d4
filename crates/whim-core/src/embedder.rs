//! What the orchestrator and `whim-embedder` say to each other: one JSON line per request, and one per response.
//!
//! The first request is an [`EmbedderSource`], which is answered with [`EmbedderReady`]; all others are [`EmbedRequest`]s.
//! The source is not in arguments or the environment, because it may have a key.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Numbers per vector. Every model must have as many: the vectors' column has this length.
pub const DIMENSIONS: usize = 384;

/// Name of the embedded model, stored with each vector. The suffix is the revision of the pinned files.
pub const EMBEDDED_MODEL: &str = "all-MiniLM-L6-v2@1110a243";

/// Where vectors come from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EmbedderSource {
    /// The embedded model, whose files are in the directory.
    Model { directory: PathBuf },
    /// An API like that of OpenAI: `POST {url}/embeddings`.
    Endpoint {
        url: String,
        model: String,
        api_key: Option<String>,
    },
}

/// Without the key.
impl fmt::Debug for EmbedderSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model { directory } => write!(formatter, "Model({})", directory.display()),
            Self::Endpoint { url, model, .. } => write!(formatter, "Endpoint({url}, {model})"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmbedderReady {
    Ready,
    /// Why nothing can be embedded.
    Error(String),
}

/// Texts to embed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedRequest {
    pub texts: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmbedResponse {
    /// One vector of length 1 per text, in order.
    Vectors(Vec<Vec<f32>>),
    /// Why none of the texts was embedded.
    Error(String),
}
