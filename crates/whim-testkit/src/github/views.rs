//! JSON representations of the records.

mod common;
mod pull;
mod repository;

use serde_json::{Value, json};

use self::common::association;
pub(super) use self::common::node;
pub(super) use self::common::{Links, label, labels, time, user};
use super::state::{Comment, Event, EventKind, Issue, Repository};

pub(super) use pull::{pull, pull_in_list};
pub(super) use repository::{branch, reference, repository_in_full, rules_of_branch, ruleset};

/// The response of `GET /user`.
pub(super) fn account(links: &Links, login: &str, repositories: usize) -> Value {
    let mut view = user(links, login);
    for name in ["name", "company", "blog", "location", "email", "hireable", "bio"] {
        view[name] = Value::Null;
    }
    for name in ["public_gists", "followers", "following"] {
        view[name] = 0.into();
    }
    view["public_repos"] = repositories.into();
    view["created_at"] = "2020-01-01T00:00:00Z".into();
    view["updated_at"] = "2020-01-01T00:00:00Z".into();
    view
}

fn reactions(url: &str) -> Value {
    json!({
        "url": format!("{url}/reactions"), "total_count": 0, "+1": 0, "-1": 0, "laugh": 0, "hooray": 0,
        "confused": 0, "heart": 0, "rocket": 0, "eyes": 0,
    })
}

pub(super) fn issue(links: &Links, repository: &Repository, issue: &Issue) -> Value {
    let url = format!("{}/issues/{}", links.repository(repository), issue.number);
    let kind = if issue.pull.is_some() { "pull" } else { "issues" };
    let html_url = format!("{}/{kind}/{}", links.page(repository), issue.number);
    let mut view = json!({
        "id": issue.id,
        "node_id": node("I", issue.id),
        "url": url,
        "repository_url": links.repository(repository),
        "labels_url": format!("{url}/labels{{/name}}"),
        "comments_url": format!("{url}/comments"),
        "events_url": format!("{url}/events"),
        "timeline_url": format!("{url}/timeline"),
        "html_url": html_url,
        "number": issue.number,
        "title": issue.title,
        "body": issue.body,
        "user": user(links, &issue.author),
        "labels": labels(links, repository, issue),
        "state": issue.state.as_str(),
        "state_reason": issue.state_reason,
        "locked": false,
        "active_lock_reason": null,
        "assignee": null,
        "assignees": [],
        "milestone": null,
        "comments": issue.comments.len(),
        "created_at": time(issue.created_at),
        "updated_at": time(issue.updated_at),
        "closed_at": issue.closed.as_ref().map(|closed| time(closed.at)),
        "closed_by": issue.closed.as_ref().map(|closed| user(links, &closed.by)),
        "author_association": association(repository, &issue.author),
        "performed_via_github_app": null,
        "reactions": reactions(&url),
    });
    if let Some(pull) = &issue.pull {
        view["draft"] = pull.draft.into();
        view["pull_request"] = json!({
            "url": format!("{}/pulls/{}", links.repository(repository), issue.number),
            "html_url": html_url,
            "diff_url": format!("{html_url}.diff"),
            "patch_url": format!("{html_url}.patch"),
            "merged_at": pull.merged.as_ref().map(|merge| time(merge.change.at)),
        });
    }
    view
}

pub(super) fn comment(links: &Links, repository: &Repository, issue: &Issue, comment: &Comment) -> Value {
    let url = format!("{}/issues/comments/{}", links.repository(repository), comment.id);
    let kind = if issue.pull.is_some() { "pull" } else { "issues" };
    let page = format!("{}/{kind}/{}", links.page(repository), issue.number);
    json!({
        "id": comment.id,
        "node_id": node("IC", comment.id),
        "url": url,
        "html_url": format!("{page}#issuecomment-{}", comment.id),
        "issue_url": format!("{}/issues/{}", links.repository(repository), issue.number),
        "body": comment.body,
        "user": user(links, &comment.author),
        "created_at": time(comment.created_at),
        "updated_at": time(comment.updated_at),
        "author_association": association(repository, &comment.author),
        "performed_via_github_app": null,
        "reactions": reactions(&url),
    })
}

pub(super) fn event(links: &Links, repository: &Repository, event: &Event) -> Value {
    let mut view = json!({
        "id": event.id,
        "node_id": node("EV", event.id),
        "url": format!("{}/issues/events/{}", links.repository(repository), event.id),
        "actor": user(links, &event.actor),
        "created_at": time(event.at),
        "commit_id": null,
        "commit_url": null,
        "performed_via_github_app": null,
    });
    view["event"] = match &event.kind {
        EventKind::Labeled { name, color } => {
            view["label"] = json!({ "name": name, "color": color });
            "labeled".into()
        }
        EventKind::Unlabeled { name, color } => {
            view["label"] = json!({ "name": name, "color": color });
            "unlabeled".into()
        }
        EventKind::Renamed { from, to } => {
            view["rename"] = json!({ "from": from, "to": to });
            "renamed".into()
        }
        EventKind::Closed => "closed".into(),
        EventKind::Reopened => "reopened".into(),
        EventKind::Merged { commit } => {
            view["commit_id"] = commit.as_str().into();
            view["commit_url"] = format!("{}/commits/{commit}", links.repository(repository)).into();
            "merged".into()
        }
    };
    view
}
