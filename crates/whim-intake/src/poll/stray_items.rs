//! Live items whose issues the lists of a poll do not have.

use std::collections::HashSet;

use whim_core::protocol::work::WorkFilter;
use whim_core::{IssueNumber, SourceName, WorkItemStatus};

use super::error::PollError;
use super::process_issue::IssueProcessor;

const PAGE: u32 = 200;

impl IssueProcessor {
    /// The issues of live items that are not in `seen`: closed ones, or ones without any of Whim's labels, whose items were
    /// requeued elsewhere.
    pub(super) async fn stray_items(
        &self,
        seen: &HashSet<IssueNumber>,
    ) -> Result<Vec<IssueNumber>, PollError> {
        let mut stray = Vec::new();
        for status in WorkItemStatus::ALL {
            if status.is_terminal() {
                continue;
            }
            let mut filter = WorkFilter {
                status: Some(status),
                repo: Some(self.repo.clone()),
                source: Some(SourceName::github()),
                limit: Some(PAGE),
                ..WorkFilter::default()
            };
            loop {
                let page = self.client.list_work(&filter).await?;
                let numbers = page
                    .items
                    .iter()
                    .filter_map(|item| item.source_ref.as_ref()?.parse().ok());
                stray.extend(numbers.filter(|number| !seen.contains(number)));
                match page.next_cursor {
                    Some(cursor) => filter.cursor = Some(cursor),
                    None => break,
                }
            }
        }
        Ok(stray)
    }
}
