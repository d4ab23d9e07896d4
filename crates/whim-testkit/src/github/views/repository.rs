//! Repositories, branches and references.

use serde_json::{Value, json};

use super::super::bare_repository::{CommitDetails, Signature};
use super::super::state::{Repository, State};
use super::common::{Links, node, time, user};

/// Links relative to a repository's own, as every repository lists them.
const LINKS: [(&str, &str); 37] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

/// The rules that apply to a branch, with the ruleset that they come from. Its id is that of the repository.
pub(in super::super) fn rules_of_branch(repository: &Repository, branch: &str) -> Value {
    if branch == repository.default_branch {
        return json!([]);
    }
    let rules = repository.ruleset.rules.iter().map(|rule| {
        let mut rule = rule.clone();
        rule["ruleset_source_type"] = "Repository".into();
        rule["ruleset_source"] = repository.full_name().into();
        rule["ruleset_id"] = repository.id.into();
        rule
    });
    rules.collect()
}

pub(in super::super) fn ruleset(repository: &Repository) -> Value {
    let can_bypass = repository.ruleset.can_bypass;
    json!({
        "id": repository.id,
        "name": "Branches",
        "target": "branch",
        "source_type": "Repository",
        "source": repository.full_name(),
        "enforcement": "active",
        "current_user_can_bypass": if can_bypass { "always" } else { "never" },
        "rules": repository.ruleset.rules,
    })
}

/// A repository as it appears inside other answers.
pub(in super::super) fn repository(links: &Links, repository: &Repository) -> Value {
    let url = links.repository(repository);
    let page = links.page(repository);
    let open = repository
        .issues
        .values()
        .filter(|issue| issue.state == State::Open)
        .count();
    let mut view = json!({
        "id": repository.id,
        "node_id": node("R", repository.id),
        "name": repository.name,
        "full_name": repository.full_name(),
        "owner": user(links, &repository.owner),
        "private": true,
        "visibility": "private",
        "html_url": page,
        "svn_url": page,
        "clone_url": format!("{page}.git"),
        "git_url": format!("git:{}.git", page.split_once(':').map_or(page.as_str(), |(_scheme, rest)| rest)),
        "ssh_url": format!("git@github.test:{}.git", repository.full_name()),
        "default_branch": repository.default_branch,
        "created_at": time(repository.created_at),
        "updated_at": time(repository.updated_at),
        "pushed_at": time(repository.pushed_at),
        "open_issues": open,
        "open_issues_count": open,
    });
    for (name, suffix) in LINKS {
        view[name] = format!("{url}{suffix}").into();
    }
    for name in ["description", "homepage", "language", "mirror_url", "license"] {
        view[name] = Value::Null;
    }
    for name in [
        "fork",
        "archived",
        "disabled",
        "has_pages",
        "has_wiki",
        "has_projects",
        "has_discussions",
    ] {
        view[name] = false.into();
    }
    for name in ["has_issues", "has_downloads"] {
        view[name] = true.into();
    }
    for name in [
        "forks",
        "forks_count",
        "size",
        "stargazers_count",
        "watchers",
        "watchers_count",
    ] {
        view[name] = 0.into();
    }
    view
}

/// The response of `GET /repos/{owner}/{repo}`. `push`: whether the caller may push.
pub(in super::super) fn repository_in_full(links: &Links, record: &Repository, push: bool) -> Value {
    let mut view = repository(links, record);
    view["network_count"] = 0.into();
    view["subscribers_count"] = 0.into();
    view["permissions"] =
        json!({ "admin": false, "maintain": false, "push": push, "triage": push, "pull": true });
    view
}

pub(in super::super) fn reference(links: &Links, repository: &Repository, branch: &str, hash: &str) -> Value {
    let url = links.repository(repository);
    json!({
        "ref": format!("refs/heads/{branch}"),
        "node_id": format!("REF_{hash}"),
        "url": format!("{url}/git/refs/heads/{branch}"),
        "object": { "type": "commit", "sha": hash, "url": format!("{url}/git/commits/{hash}") },
    })
}

pub(in super::super) fn branch(
    links: &Links,
    repository: &Repository,
    name: &str,
    details: &CommitDetails,
) -> Value {
    let url = format!("{}/branches/{name}", links.repository(repository));
    json!({
        "name": name,
        "commit": commit(links, repository, details),
        "_links": { "self": url, "html": format!("{}/tree/{name}", links.page(repository)) },
        "protected": false,
        "protection": { "enabled": false },
        "protection_url": format!("{url}/protection"),
    })
}

fn commit(links: &Links, repository: &Repository, details: &CommitDetails) -> Value {
    let url = format!("{}/commits/{}", links.repository(repository), details.hash);
    let page = |hash: &str| format!("{}/commit/{hash}", links.page(repository));
    let signature = |of: &Signature| json!({ "name": of.name, "email": of.email, "date": of.date });
    let parents: Value = details
        .parents
        .iter()
        .map(|hash| {
            let url = format!("{}/commits/{hash}", links.repository(repository));
            json!({ "sha": hash, "url": url, "html_url": page(hash) })
        })
        .collect();
    json!({
        "sha": details.hash,
        "node_id": format!("C_{}", details.hash),
        "url": url,
        "html_url": page(&details.hash),
        "comments_url": format!("{url}/comments"),
        "commit": {
            "url": format!("{}/git/commits/{}", links.repository(repository), details.hash),
            "author": signature(&details.author),
            "committer": signature(&details.committer),
            "message": details.message,
            "comment_count": 0,
            "tree": {
                "sha": details.tree,
                "url": format!("{}/git/trees/{}", links.repository(repository), details.tree),
            },
            "verification": {
                "verified": false, "reason": "unsigned",
                "payload": null, "signature": null, "verified_at": null,
            },
        },
        // The fake knows no mail addresses, so commits belong to no account.
        "author": null,
        "committer": null,
        "parents": parents,
    })
}
