//! The built pages (`dashboard/dist`), in memory, each file also compressed.
//!
//! A release build contains them. A debug build reads them from the source tree when it starts, so that neither can serve
//! an outdated page after a build.

mod policy;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write as _};

use axum::http::HeaderValue;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::Embed;
use sha2::{Digest as _, Sha256};

const INDEX: &str = "index.html";

/// What to do if the pages are missing.
pub const HOW_TO_BUILD: &str = "The dashboard's pages are not built: run `npm ci && npm run build` in the directory \
                                `dashboard`, then build and start whim-dashboard again.";

#[derive(Embed)]
#[folder = "../../dashboard/dist"]
#[allow_missing = true]
struct Built;

/// The files by path, without a leading slash.
#[derive(Debug)]
pub struct Assets {
    files: HashMap<String, Asset>,
    /// The header `Content-Security-Policy` of pages.
    policy: HeaderValue,
}

#[derive(Debug)]
pub(crate) struct Asset {
    pub(crate) content_type: HeaderValue,
    pub(crate) identity: Variant,
    /// Absent if it would save nothing.
    pub(crate) gzip: Option<Variant>,
    /// The name changes with the content.
    pub(crate) is_immutable: bool,
}

/// One encoding of a file.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) body: Bytes,
    pub(crate) etag: HeaderValue,
}

impl Assets {
    /// The pages of this build.
    ///
    /// # Errors
    /// A file cannot be compressed.
    pub fn built() -> io::Result<Self> {
        let is_served = |path: &Cow<'static, str>| !path.starts_with('.');
        // Hidden files are about the build.
        Self::from_files(Built::iter().filter(is_served).filter_map(|path| {
            let content = match Built::get(&path)?.data {
                Cow::Borrowed(content) => Bytes::from_static(content),
                Cow::Owned(content) => content.into(),
            };
            Some((path.into_owned(), content))
        }))
    }

    /// # Errors
    /// A file cannot be compressed.
    pub fn from_files(files: impl IntoIterator<Item = (String, Bytes)>) -> io::Result<Self> {
        let files: HashMap<String, Asset> = files
            .into_iter()
            .map(|(path, content)| {
                let asset = Asset::new(&path, content)?;
                Ok((path, asset))
            })
            .collect::<io::Result<_>>()?;
        let index = files.get(INDEX).map(|index| index.identity.body.clone());
        let policy = policy::for_page(&String::from_utf8_lossy(&index.unwrap_or_default()));
        Ok(Self { files, policy })
    }

    /// Whether there is a page to serve.
    pub fn are_built(&self) -> bool {
        self.files.contains_key(INDEX)
    }

    pub(crate) fn index(&self) -> Option<&Asset> {
        self.files.get(INDEX)
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Asset> {
        self.files.get(path)
    }

    pub(crate) fn policy(&self) -> &HeaderValue {
        &self.policy
    }
}

impl Asset {
    fn new(path: &str, content: Bytes) -> io::Result<Self> {
        let mime = mime_guess::from_path(path).first_or_octet_stream();
        let is_text = mime.type_() == "text";
        let content_type = if is_text {
            format!("{mime}; charset=utf-8")
        } else {
            mime.to_string()
        };
        let mut hash = Sha256::digest(&content)
            .iter()
            .fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
        hash.truncate(32);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&content)?;
        let compressed = encoder.finish()?;
        let gzip = (compressed.len() < content.len() / 10 * 9)
            .then(|| Variant::new(&hash, "-gzip", compressed.into()));
        Ok(Self {
            content_type: header(content_type),
            gzip,
            identity: Variant::new(&hash, "", content),
            is_immutable: has_hashed_name(path),
        })
    }
}

impl Variant {
    fn new(hash: &str, encoding: &str, body: Bytes) -> Self {
        Self {
            body,
            etag: header(format!("\"{hash}{encoding}\"")),
        }
    }
}

/// Of visible ASCII, which is always valid.
fn header(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Vite names its chunks `assets/NAME-HASH.EXTENSION`, with eight characters of base64url.
fn has_hashed_name(path: &str) -> bool {
    let Some(name) = path.strip_prefix("assets/") else {
        return false;
    };
    let mut dots = name.match_indices('.');
    dots.any(|(dot, _)| ends_with_hash(&name[..dot]))
}

fn ends_with_hash(stem: &str) -> bool {
    const HASH_LENGTH: usize = 8;
    let Some((b'-', hash)) = stem
        .as_bytes()
        .last_chunk::<{ HASH_LENGTH + 1 }>()
        .and_then(|tail| tail.split_first())
    else {
        return false;
    };
    hash.iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_are_immutable() {
        for path in [
            "assets/index-DiwrgTda.js",
            "assets/index-B_-x09aZ.css",
            "assets/index--iwrgTda.js.map",
            "assets/search.worker-DiwrgTda.js",
        ] {
            assert!(has_hashed_name(path), "{path}");
        }
        for path in [
            "index.html",
            "favicon.svg",
            "assets/logo.svg",
            "assets/-abc.js",
            "assets/hash-é.js",
            "assets/indexDiwrgTda.js",
            "assets/",
            "other/index-DiwrgTda.js",
        ] {
            assert!(!has_hashed_name(path), "{path}");
        }
    }

    #[test]
    fn text_is_compressed_and_what_is_compressed_already_is_not() {
        let noise: Vec<u8> = (0..2000_u32)
            .flat_map(|n| Sha256::digest(n.to_le_bytes()))
            .collect();
        let files = [
            ("index.html".to_owned(), Bytes::from("<p>".repeat(1000))),
            ("font.woff2".to_owned(), Bytes::from(noise)),
        ];
        let assets = Assets::from_files(files).unwrap();
        let page = assets.index().unwrap();
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        let gzip = page.gzip.as_ref().unwrap();
        assert!(gzip.body.len() < 100);
        assert_ne!(gzip.etag, page.identity.etag);
        assert!(assets.get("font.woff2").unwrap().gzip.is_none());
    }

    #[test]
    fn the_content_types_of_a_built_page_are_known() {
        for (path, expected) in [
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.svg", "image/svg+xml"),
            ("a.png", "image/png"),
            ("a.ico", "image/x-icon"),
            ("a.woff2", "font/woff2"),
            ("a.webmanifest", "application/manifest+json"),
            ("a.json", "application/json"),
            ("a", "application/octet-stream"),
        ] {
            let asset = Asset::new(path, Bytes::new()).unwrap();
            assert_eq!(asset.content_type, expected, "{path}");
        }
    }
}
