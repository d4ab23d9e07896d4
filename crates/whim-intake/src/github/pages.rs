//! Pages of lists: links between them, and a cache for conditional requests.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use reqwest::header::HeaderValue;
use url::Url;

/// GitHub's maximum.
pub(super) const PER_PAGE: &str = "100";
const FULL_PAGE: usize = 100;
pub(super) const MAX_PAGES: usize = 50;
/// A larger cache is emptied.
const MAX_CACHED_BYTES: usize = 32 * 1024 * 1024;

#[derive(Debug, Clone)]
pub(super) struct CachedPage {
    pub(super) etag: HeaderValue,
    pub(super) body: String,
    pub(super) next: Option<Url>,
}

/// The latest version of each page. A request that GitHub answers with 304 does not count against the rate limit.
#[derive(Debug, Default)]
pub(super) struct PageCache {
    pages: RwLock<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    by_url: HashMap<Url, CachedPage>,
    bytes: usize,
}

impl PageCache {
    pub(super) fn get(&self, url: &Url) -> Option<CachedPage> {
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        pages.by_url.get(url).cloned()
    }

    /// Stores a page with `entries` entries, but not a full last one: its tag stays the same when another page follows.
    pub(super) fn keep(&self, url: Url, page: CachedPage, entries: usize) {
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(previous) = pages.by_url.remove(&url) {
            pages.bytes -= previous.body.len();
        }
        if page.next.is_none() && entries >= FULL_PAGE {
            return;
        }
        if pages.bytes + page.body.len() > MAX_CACHED_BYTES {
            *pages = Pages::default();
        }
        pages.bytes += page.body.len();
        pages.by_url.insert(url, page);
    }
}

/// The next page in a `Link` header. Only its path and query are used, so that no response can send the token to another
/// host.
pub(super) fn next_page(base: &Url, link: &HeaderValue) -> Option<Url> {
    let link = link.to_str().ok()?;
    let (target, _) = link
        .split(',')
        .filter_map(|entry| entry.split_once(';'))
        .find(|(_, parameters)| parameters.replace(' ', "").contains("rel=\"next\""))?;
    let target = Url::parse(target.trim().strip_prefix('<')?.strip_suffix('>')?).ok()?;
    let mut next = base.clone();
    next.set_path(target.path());
    next.set_query(target.query());
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn page(body: &str, next: Option<Url>) -> CachedPage {
        CachedPage {
            etag: HeaderValue::from_static("\"tag\""),
            body: body.to_owned(),
            next,
        }
    }

    #[test]
    fn the_next_page_is_requested_from_the_configured_host() {
        let base = url("https://github.example/api/v3/");
        let link = "<https://evil.example/api/v3/repos/o/r/issues?page=1>; rel=\"prev\", <https://evil.example/api/v3/repos/o/r/issues?page=3>; rel=\"next\"";
        assert_eq!(
            next_page(&base, &HeaderValue::from_static(link)),
            Some(url("https://github.example/api/v3/repos/o/r/issues?page=3"))
        );
        let last = HeaderValue::from_static("<https://github.example/x>; rel=\"last\"");
        assert_eq!(next_page(&base, &last), None);
    }

    #[test]
    fn a_full_last_page_is_not_cached_because_another_may_follow() {
        let (cache, first, second) = (PageCache::default(), url("http://h/1"), url("http://h/2"));
        cache.keep(first.clone(), page("[]", None), FULL_PAGE - 1);
        assert!(cache.get(&first).is_some());
        cache.keep(first.clone(), page("[]", None), FULL_PAGE);
        assert!(cache.get(&first).is_none());
        cache.keep(first.clone(), page("[]", Some(second)), FULL_PAGE);
        assert!(cache.get(&first).is_some());
    }

    #[test]
    fn the_size_of_the_cache_is_limited() {
        let (cache, first, second) = (PageCache::default(), url("http://h/1"), url("http://h/2"));
        let large = "x".repeat(MAX_CACHED_BYTES / 2 + 1);
        cache.keep(first.clone(), page(&large, None), 1);
        cache.keep(first.clone(), page(&large, None), 1);
        assert!(cache.get(&first).is_some(), "the same page counts once");
        cache.keep(second.clone(), page(&large, None), 1);
        assert!(cache.get(&first).is_none());
        assert!(cache.get(&second).is_some());
    }
}
