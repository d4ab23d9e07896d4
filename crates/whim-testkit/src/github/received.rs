//! A completely read request.

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, header};
use hyper::body::Incoming;
use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded;

/// The largest accepted request, in bytes: a push of a test's repository.
const LARGEST_REQUEST: usize = 256 * 1024 * 1024;

/// The path prefix of the REST API on GitHub Enterprise.
const ENTERPRISE_PREFIX: &str = "/api/v3";

pub(super) struct ReceivedRequest {
    pub(super) method: Method,
    /// Without GitHub Enterprise's prefix.
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The address that the caller used.
    pub(super) url: Url,
}

impl ReceivedRequest {
    /// Reads a request; `None` if it breaks off.
    pub(super) async fn read(request: Request<Incoming>) -> Option<Self> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(Body::new(body), LARGEST_REQUEST).await.ok()?;
        let host = parts
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let url = Url::parse(&format!("http://{}{}", host.unwrap_or("localhost"), parts.uri)).ok()?;
        let path = parts.uri.path();
        let path = match path.strip_prefix(ENTERPRISE_PREFIX) {
            Some(rest) if rest.starts_with('/') => rest,
            Some(_) | None => path,
        };
        Some(Self {
            method: parts.method,
            path: path.to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body,
            url,
        })
    }

    /// Path and query without the parameters of these names.
    pub(super) fn uri_without(&self, overlooked: &[String]) -> String {
        let pairs = form_urlencoded::parse(self.query.as_bytes());
        let kept = pairs.filter(|(name, _value)| !overlooked.iter().any(|other| other == name));
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .finish();
        format!("{}?{query}", self.path)
    }

    /// The body without the fields of these names.
    pub(super) fn body_without(&self, overlooked: &[String]) -> Bytes {
        match serde_json::from_slice::<Map<String, Value>>(&self.body) {
            Ok(mut fields) if !overlooked.is_empty() => {
                fields.retain(|name, _value| !overlooked.contains(name));
                Bytes::from(Value::Object(fields).to_string())
            }
            Ok(_) | Err(_) => self.body.clone(),
        }
    }
}
