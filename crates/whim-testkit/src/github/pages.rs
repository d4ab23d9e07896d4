//! Pagination and the `Link` header.

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use url::Url;

/// GitHub's default and maximum page sizes.
const DEFAULT_SIZE: usize = 30;
const LARGEST_SIZE: usize = 100;

/// The requested part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Counted from one.
    number: usize,
    size: usize,
}

impl Page {
    pub(super) fn new(number: Option<usize>, size: Option<usize>) -> Self {
        Self {
            number: number.unwrap_or(1).max(1),
            size: size.unwrap_or(DEFAULT_SIZE).clamp(1, LARGEST_SIZE),
        }
    }

    /// Cuts this page out of a list, with links to the others. `received` is the URL of the request.
    pub(super) fn of(self, items: impl IntoIterator<Item = Value>, received: &Url) -> Response {
        let items: Vec<Value> = items.into_iter().collect();
        let last = items.len().div_ceil(self.size).max(1);
        let start = self.size.saturating_mul(self.number - 1);
        let page: Vec<Value> = items.into_iter().skip(start).take(self.size).collect();
        let mut response = Json(page).into_response();
        let links = self.links(last, received);
        if let Some(links) = (!links.is_empty())
            .then(|| HeaderValue::from_str(&links).ok())
            .flatten()
        {
            response.headers_mut().insert(header::LINK, links);
        }
        response
    }

    fn links(self, last: usize, received: &Url) -> String {
        let mut links = Vec::new();
        if 1 < self.number {
            links.push((last.min(self.number - 1), "prev"));
        }
        if self.number < last {
            links.push((self.number + 1, "next"));
            links.push((last, "last"));
        }
        if 1 < self.number {
            links.push((1, "first"));
        }
        let link = |(page, relation)| format!("<{}>; rel=\"{relation}\"", with_page(received, page));
        links.into_iter().map(link).collect::<Vec<_>>().join(", ")
    }
}

fn with_page(received: &Url, page: usize) -> Url {
    let mut url = received.clone();
    let others: Vec<(String, String)> = received
        .query_pairs()
        .into_owned()
        .filter(|(name, _value)| name != "page")
        .collect();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(others)
        .append_pair("page", &page.to_string());
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(number: usize, count: usize) -> Option<String> {
        let received =
            Url::parse("http://127.0.0.1:9/repos/o/r/issues?labels=a%2Cb&page=7&per_page=2").unwrap();
        let response = Page::new(Some(number), Some(2)).of((0..count).map(Value::from), &received);
        response
            .headers()
            .get(header::LINK)
            .map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn one_page_has_no_links() {
        assert_eq!(link(1, 2), None);
        assert_eq!(link(1, 0), None);
    }

    #[test]
    fn a_page_in_the_middle_links_to_all_others_and_keeps_the_query() {
        insta::assert_snapshot!(link(2, 5).unwrap().replace(", ", ",\n"), @r#"
        <http://127.0.0.1:9/repos/o/r/issues?labels=a%2Cb&per_page=2&page=1>; rel="prev",
        <http://127.0.0.1:9/repos/o/r/issues?labels=a%2Cb&per_page=2&page=3>; rel="next",
        <http://127.0.0.1:9/repos/o/r/issues?labels=a%2Cb&per_page=2&page=3>; rel="last",
        <http://127.0.0.1:9/repos/o/r/issues?labels=a%2Cb&per_page=2&page=1>; rel="first"
        "#);
    }

    #[test]
    fn the_last_page_has_no_next() {
        let links = link(3, 5).unwrap();
        assert!(
            !links.contains("rel=\"next\"") && links.contains("rel=\"prev\""),
            "{links}"
        );
    }

    #[test]
    fn the_page_size_has_githubs_bounds() {
        assert_eq!(Page::new(None, None), Page { number: 1, size: 30 });
        assert_eq!(Page::new(Some(0), Some(1_000)), Page { number: 1, size: 100 });
    }
}
