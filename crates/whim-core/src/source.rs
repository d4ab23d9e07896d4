//! How Whim marks the comments that are its own.

use crate::WorkItemId;

/// The hidden marker in the one comment that intake leaves for an item, so that it finds the comment again after a
/// crash (`DESIGN.md`, "The way of one issue", step 8). The epoch tells the runs of an item apart.
pub fn comment_marker(id: WorkItemId, run: u32) -> String {
    format!("<!-- whim:item={id} run={run} -->")
}

/// The item and run whose marker a comment carries.
pub fn parse_comment_marker(body: &str) -> Option<(WorkItemId, u32)> {
    let (_, rest) = body.split_once("<!-- whim:item=")?;
    let (marker, _) = rest.split_once(" -->")?;
    let (id, run) = marker.split_once(" run=")?;
    Some((id.parse().ok()?, run.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_again_in_a_comment() {
        let id = WorkItemId::new();
        let body = format!("Opened a pull request.\n\n{}", comment_marker(id, 3));
        assert_eq!(parse_comment_marker(&body), Some((id, 3)));
    }

    #[test]
    fn other_comments_carry_no_marker() {
        for body in ["", "hello", "<!-- whim:item=x run=1 -->", "<!-- whim:item="] {
            assert_eq!(parse_comment_marker(body), None);
        }
    }
}
