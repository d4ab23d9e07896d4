//! Markers in Whim's issue comments.

use crate::WorkItemId;

/// Hidden marker in the comment on the result of a run, by which the intake finds the comment again after a crash.
pub fn comment_marker(id: WorkItemId, run: u32) -> String {
    format!("<!-- whim:item={id} run={run} -->")
}

/// Item and run from the marker of a comment.
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
