//! Who may request runs.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;
use whim_core::RepoName;

use crate::github::{Account, GitHub, GitHubError};

/// How long a permission is believed.
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// How long a login and the members of a team are believed.
const LIST_LIFETIME: Duration = Duration::from_secs(3600);

/// An entry of `ALLOWED_USERS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedUser {
    Login(String),
    Team { organization: String, slug: String },
}

/// An entry of `ALLOWED_BOTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedBot {
    Id(u64),
    /// With `[bot]`.
    Login(String),
}

/// Knows accounts by their numeric ids: a login can change hands.
#[derive(Debug)]
pub(crate) struct People {
    github: Arc<GitHub>,
    users: Vec<AllowedUser>,
    bots: Vec<AllowedBot>,
    own: OnceCell<Account>,
    lists: Mutex<Option<Lists>>,
    permissions: RwLock<HashMap<(RepoName, u64), (Instant, bool)>>,
}

#[derive(Debug, Clone)]
struct Lists {
    read_at: Instant,
    users: HashSet<u64>,
    bots: HashSet<u64>,
}

impl People {
    pub(crate) fn new(github: Arc<GitHub>, users: Vec<AllowedUser>, bots: Vec<AllowedBot>) -> Self {
        Self {
            github,
            users,
            bots,
            own: OnceCell::new(),
            lists: Mutex::new(None),
            permissions: RwLock::default(),
        }
    }

    /// The account that the token belongs to.
    pub(crate) async fn own(&self) -> Result<&Account, GitHubError> {
        self.own.get_or_try_init(|| self.github.own_account()).await
    }

    /// Whether an account may request runs in a repository: a person who may write to it or is on the list, or an app on
    /// the list of apps.
    pub(crate) async fn may_request(&self, repo: &RepoName, account: &Account) -> Result<bool, GitHubError> {
        if account.is_bot {
            return Ok(!self.bots.is_empty() && self.lists().await?.bots.contains(&account.id));
        }
        if !self.users.is_empty() && self.lists().await?.users.contains(&account.id) {
            return Ok(true);
        }
        self.may_write(repo, account).await
    }

    async fn may_write(&self, repo: &RepoName, account: &Account) -> Result<bool, GitHubError> {
        let key = (repo.clone(), account.id);
        let known = {
            let permissions = self.permissions.read().unwrap_or_else(PoisonError::into_inner);
            permissions.get(&key).copied()
        };
        if let Some((asked_at, may_write)) = known
            && asked_at.elapsed() < PERMISSION_LIFETIME
        {
            return Ok(may_write);
        }
        let permission = self.github.permission(repo, &account.login).await?;
        // The login may belong to another account by now.
        let is_same = permission.account.is_some_and(|current| current.id == account.id);
        let may_write = permission.may_write && is_same;
        let mut permissions = self.permissions.write().unwrap_or_else(PoisonError::into_inner);
        permissions.retain(|_, (asked_at, _)| asked_at.elapsed() < PERMISSION_LIFETIME);
        permissions.insert(key, (Instant::now(), may_write));
        Ok(may_write)
    }

    async fn lists(&self) -> Result<Lists, GitHubError> {
        let mut lists = self.lists.lock().await;
        if let Some(current) = lists
            .as_ref()
            .filter(|lists| lists.read_at.elapsed() < LIST_LIFETIME)
        {
            return Ok(current.clone());
        }
        let read = Lists {
            read_at: Instant::now(),
            users: self.read_users().await?,
            bots: self.read_bots().await?,
        };
        Ok(lists.insert(read).clone())
    }

    async fn read_users(&self) -> Result<HashSet<u64>, GitHubError> {
        let mut ids = HashSet::new();
        for user in &self.users {
            match user {
                AllowedUser::Login(login) => match self.github.account(login).await? {
                    Some(account) => {
                        ids.insert(account.id);
                    }
                    None => tracing::warn!(login, "GitHub has no such account (ALLOWED_USERS): skipping it"),
                },
                AllowedUser::Team { organization, slug } => {
                    match self.github.team_members(organization, slug).await? {
                        Some(members) => ids.extend(members.into_iter().map(|member| member.id)),
                        None => {
                            tracing::warn!(
                                organization,
                                slug,
                                "GitHub has no such team, or GITHUB_TOKEN may not read the members of the organization (ALLOWED_USERS): skipping it"
                            );
                        }
                    }
                }
            }
        }
        Ok(ids)
    }

    async fn read_bots(&self) -> Result<HashSet<u64>, GitHubError> {
        let mut ids = HashSet::new();
        for bot in &self.bots {
            match bot {
                AllowedBot::Id(id) => {
                    ids.insert(*id);
                }
                AllowedBot::Login(login) => match self.github.account(login).await? {
                    Some(account) => {
                        ids.insert(account.id);
                    }
                    None => tracing::warn!(login, "GitHub has no such app (ALLOWED_BOTS): skipping it"),
                },
            }
        }
        Ok(ids)
    }
}
