//! Pull requests, in lists and alone.

use serde_json::{Value, json};

use super::super::bare_repository::Comparison;
use super::super::state::{Issue, Pull, Repository};
use super::common::{Links, association, labels, node, time, user};
use super::repository::repository;

/// A pull request as it appears in lists.
pub(in super::super) fn pull_in_list(
    links: &Links,
    record: &Repository,
    issue: &Issue,
    pull: &Pull,
) -> Value {
    let repository_url = links.repository(record);
    let url = format!("{repository_url}/pulls/{}", issue.number);
    let issue_url = format!("{repository_url}/issues/{}", issue.number);
    let page = format!("{}/pull/{}", links.page(record), issue.number);
    let statuses_url = format!("{repository_url}/statuses/{}", pull.head_hash);
    let own = [
        ("self", url.clone()),
        ("html", page.clone()),
        ("issue", issue_url.clone()),
        ("comments", format!("{issue_url}/comments")),
        ("review_comments", format!("{url}/comments")),
        (
            "review_comment",
            format!("{repository_url}/pulls/comments{{/number}}"),
        ),
        ("commits", format!("{url}/commits")),
        ("statuses", statuses_url.clone()),
    ];
    let own: Value = own
        .into_iter()
        .map(|(name, href)| (name, json!({ "href": href })))
        .collect();
    json!({
        "id": pull.id,
        "node_id": node("PR", pull.id),
        "url": url,
        "html_url": page,
        "diff_url": format!("{page}.diff"),
        "patch_url": format!("{page}.patch"),
        "issue_url": issue_url,
        "commits_url": format!("{url}/commits"),
        "comments_url": format!("{issue_url}/comments"),
        "review_comments_url": format!("{url}/comments"),
        "review_comment_url": format!("{repository_url}/pulls/comments{{/number}}"),
        "statuses_url": statuses_url,
        "number": issue.number,
        "state": issue.state.as_str(),
        "locked": false,
        "active_lock_reason": null,
        "title": issue.title,
        "body": issue.body,
        "user": user(links, &issue.author),
        "labels": described(labels(links, record, issue)),
        "milestone": null,
        "assignee": null,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "created_at": time(issue.created_at),
        "updated_at": time(issue.updated_at),
        "closed_at": issue.closed.as_ref().map(|closed| time(closed.at)),
        "merged_at": pull.merged.as_ref().map(|merge| time(merge.change.at)),
        "merge_commit_sha": pull.merged.as_ref().map(|merge| merge.commit.clone()),
        "head": side(links, record, &pull.head, &pull.head_hash),
        "base": side(links, record, &pull.base, &pull.base_hash),
        "_links": own,
        "author_association": association(record, &issue.author),
        "auto_merge": null,
        "draft": pull.draft,
    })
}

/// The response of `GET /repos/{owner}/{repo}/pulls/{pull_number}`.
pub(in super::super) fn pull(
    links: &Links,
    repository: &Repository,
    issue: &Issue,
    pull: &Pull,
    comparison: Comparison,
) -> Value {
    let mergeable_state = match (comparison.mergeable, pull.draft) {
        (false, _) => "dirty",
        (true, true) => "draft",
        (true, false) => "clean",
    };
    let merged = pull.merged.is_some();
    let mut view = pull_in_list(links, repository, issue, pull);
    view["merged"] = merged.into();
    view["merged_by"] = pull
        .merged
        .as_ref()
        .map(|merge| user(links, &merge.change.by))
        .into();
    view["mergeable"] = if merged {
        Value::Null
    } else {
        comparison.mergeable.into()
    };
    view["rebaseable"] = view["mergeable"].clone();
    view["mergeable_state"] = if merged { "unknown" } else { mergeable_state }.into();
    view["maintainer_can_modify"] = pull.maintainer_can_modify.into();
    view["comments"] = issue.comments.len().into();
    view["review_comments"] = 0.into();
    view["commits"] = comparison.commits.into();
    view["additions"] = comparison.additions.into();
    view["deletions"] = comparison.deletions.into();
    view["changed_files"] = comparison.changed_files.into();
    view
}

fn side(links: &Links, record: &Repository, branch: &str, hash: &str) -> Value {
    json!({
        "label": format!("{}:{branch}", record.owner),
        "ref": branch,
        "sha": hash,
        "user": user(links, &record.owner),
        "repo": repository(links, record),
    })
}

/// On pull requests, the description allows no label without a description text.
fn described(mut labels: Value) -> Value {
    for label in labels.as_array_mut().into_iter().flatten() {
        if label["description"].is_null() {
            label["description"] = "".into();
        }
    }
    labels
}
