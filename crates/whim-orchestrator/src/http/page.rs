//! Pages of lists.

use super::error::ApiError;

const DEFAULT_LIMIT: u32 = 50;
/// The document states it as the maximum of every `limit`.
const MAX_LIMIT: u32 = 200;

/// The length of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit(u32);

impl Limit {
    pub(super) fn of(requested: Option<u32>) -> Result<Self, ApiError> {
        Self::within(requested, DEFAULT_LIMIT, MAX_LIMIT)
    }

    /// For a list whose rows are large.
    pub(super) fn within(requested: Option<u32>, default: u32, max: u32) -> Result<Self, ApiError> {
        let limit = requested.unwrap_or(default);
        if (1..=max).contains(&limit) {
            Ok(Self(limit))
        } else {
            Err(ApiError::invalid(
                "limit",
                format!("was {limit}; expected an integer from 1 to {max}"),
            ))
        }
    }

    pub(super) fn length(self) -> usize {
        self.0 as usize
    }

    /// Rows to fetch: one more than the page, which reveals whether there is a next one.
    pub(super) fn fetch(self) -> i64 {
        i64::from(self.0) + 1
    }

    /// The page out of the rows that were fetched, and the cursor of the next one.
    pub(super) fn cut<T, C>(self, mut rows: Vec<T>, cursor: impl FnOnce(&T) -> C) -> (Vec<T>, Option<C>) {
        let length = self.length();
        let has_next = rows.len() > length;
        rows.truncate(length);
        let next_cursor = rows.last().filter(|_| has_next).map(cursor);
        (rows, next_cursor)
    }
}
