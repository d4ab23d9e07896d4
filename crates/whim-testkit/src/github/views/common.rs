//! Parts of several views.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::super::state::{Issue, Label, Repository};

/// The address of the fake, for the links in its responses.
#[derive(Clone, Debug)]
pub(in super::super) struct Links {
    /// Scheme, host and port, without a slash at the end.
    pub(in super::super) base: String,
}

impl Links {
    pub(in super::super) fn of(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(super) fn repository(&self, repository: &Repository) -> String {
        self.of(&format!("/repos/{}", repository.full_name()))
    }

    pub(super) fn page(&self, repository: &Repository) -> String {
        self.of(&format!("/{}", repository.full_name()))
    }
}

pub(in super::super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub(in super::super) fn node(kind: &str, id: u64) -> String {
    format!("{kind}_{id:012}")
}

/// User ids are opaque to callers; they only have to be stable.
pub(in super::super) fn user_id(login: &str) -> u64 {
    login
        .to_lowercase()
        .bytes()
        .fold(7, |id, byte| (id * 31 + u64::from(byte)) % 100_000_000)
        + 1
}

pub(in super::super) fn user(links: &Links, login: &str) -> Value {
    // The logins of apps have brackets.
    let path = login.replace('[', "%5B").replace(']', "%5D");
    let url = links.of(&format!("/users/{path}"));
    let mut view = json!({
        "login": login,
        "id": user_id(login),
        "node_id": node("U", user_id(login)),
        "avatar_url": links.of(&format!("/avatars/{path}")),
        "gravatar_id": "",
        "url": url,
        "html_url": links.of(&format!("/{path}")),
        "type": if login.ends_with("[bot]") { "Bot" } else { "User" },
        "user_view_type": "public",
        "site_admin": false,
    });
    let suffixes = [
        ("followers_url", "/followers"),
        ("following_url", "/following{/other_user}"),
        ("gists_url", "/gists{/gist_id}"),
        ("starred_url", "/starred{/owner}{/repo}"),
        ("subscriptions_url", "/subscriptions"),
        ("organizations_url", "/orgs"),
        ("repos_url", "/repos"),
        ("events_url", "/events{/privacy}"),
        ("received_events_url", "/received_events"),
    ];
    for (name, suffix) in suffixes {
        view[name] = format!("{url}{suffix}").into();
    }
    view
}

pub(in super::super) fn label(links: &Links, repository: &Repository, label: &Label) -> Value {
    json!({
        "id": label.id,
        "node_id": node("LA", label.id),
        "url": label_url(links, repository, label),
        "name": label.name,
        "description": label.description,
        "color": label.color,
        "default": false,
    })
}

fn label_url(links: &Links, repository: &Repository, label: &Label) -> String {
    let mut url = links.repository(repository);
    url.push_str("/labels/");
    url.extend(
        url::form_urlencoded::byte_serialize(label.name.as_bytes()).map(|part| part.replace('+', "%20")),
    );
    url
}

pub(in super::super) fn labels(links: &Links, repository: &Repository, issue: &Issue) -> Value {
    repository
        .labels_of(issue)
        .map(|it| label(links, repository, it))
        .collect()
}

/// The association of an author with a repository.
pub(super) fn association(repository: &Repository, login: &str) -> &'static str {
    if repository.owner == login {
        "OWNER"
    } else {
        "COLLABORATOR"
    }
}
