//! Reads lists: all of their pages, each with a conditional request.

use reqwest::header::{ETAG, LINK};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use super::error::GitHubError;
use super::pages::{CachedPage, MAX_PAGES, next_page};
use super::transport::{Call, GitHub};

impl GitHub {
    /// The entries of all pages of a list.
    pub(super) async fn get_all<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, GitHubError> {
        let mut first = self.url(path);
        first.query_pairs_mut().extend_pairs(query);
        let mut all = Vec::new();
        let mut next = Some(first);
        let mut pages = 0;
        while let Some(url) = next {
            if pages == MAX_PAGES {
                return Err(GitHubError::TooManyPages { what, pages });
            }
            pages += 1;
            let (entries, following) = self.get_page(what, url).await?;
            all.extend(entries);
            next = following;
        }
        Ok(all)
    }

    async fn get_page<T: DeserializeOwned>(
        &self,
        what: &'static str,
        url: Url,
    ) -> Result<(Vec<T>, Option<Url>), GitHubError> {
        let parse = |body: &str| {
            serde_json::from_str::<Vec<T>>(body)
                .map_err(|source| GitHubError::UnexpectedResponse { what, source })
        };
        let cached = self.pages.get(&url);
        let call = Call {
            what,
            method: Method::GET,
            url,
            etag: cached.as_ref().map(|page| page.etag.clone()),
            body: None,
        };
        match (self.call(&call).await?, cached) {
            (Some(response), _) => {
                let entries = parse(&response.body)?;
                let next = response
                    .headers
                    .get(LINK)
                    .and_then(|link| next_page(&self.base_url, link));
                if let Some(etag) = response.headers.get(ETAG).cloned() {
                    let page = CachedPage {
                        etag,
                        body: response.body,
                        next: next.clone(),
                    };
                    self.pages.keep(call.url, page, entries.len());
                }
                Ok((entries, next))
            }
            (None, Some(cached)) => Ok((parse(&cached.body)?, cached.next)),
            // 304 to an unconditional request.
            (None, None) => Err(GitHubError::Refused {
                what,
                status: StatusCode::NOT_MODIFIED.as_u16(),
                message: String::new(),
            }),
        }
    }
}
