//! Lists of accounts.

use whim_service::environment::Expected;

use crate::trust::{AllowedBot, AllowedUser};

const BOT_SUFFIX: &str = "[bot]";

pub(super) fn allowed_users() -> Expected<Vec<AllowedUser>> {
    Expected::new(
        "a comma-separated list of GitHub logins and teams, for example octocat,acme/reviewers",
        |raw| entries(raw).map(user).collect(),
        |users: &Vec<AllowedUser>| {
            let users = users.iter().map(|user| match user {
                AllowedUser::Login(login) => login.clone(),
                AllowedUser::Team { organization, slug } => format!("{organization}/{slug}"),
            });
            users.collect::<Vec<_>>().join(",")
        },
    )
}

pub(super) fn allowed_bots() -> Expected<Vec<AllowedBot>> {
    Expected::new(
        "a comma-separated list of GitHub apps, as numeric ids of their accounts or as logins that end with [bot], for example dependabot[bot]",
        |raw| entries(raw).map(bot).collect(),
        |bots: &Vec<AllowedBot>| {
            let bots = bots.iter().map(|bot| match bot {
                AllowedBot::Id(id) => id.to_string(),
                AllowedBot::Login(login) => login.clone(),
            });
            bots.collect::<Vec<_>>().join(",")
        },
    )
}

fn entries(raw: &str) -> impl Iterator<Item = &str> {
    raw.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn user(entry: &str) -> Option<AllowedUser> {
    match entry.split_once('/') {
        None => is_login(entry).then(|| AllowedUser::Login(entry.to_owned())),
        Some((organization, slug)) => {
            let is_team = is_login(organization) && is_login(slug);
            is_team.then(|| AllowedUser::Team {
                organization: organization.to_owned(),
                slug: slug.to_owned(),
            })
        }
    }
}

fn bot(entry: &str) -> Option<AllowedBot> {
    if let Ok(id) = entry.parse() {
        return Some(AllowedBot::Id(id));
    }
    let is_app = is_login(entry.strip_suffix(BOT_SUFFIX)?);
    is_app.then(|| AllowedBot::Login(entry.to_owned()))
}

/// Also the short name of a team.
fn is_login(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=100).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_teams_and_apps_are_told_apart() {
        assert_eq!(user("octocat"), Some(AllowedUser::Login("octocat".to_owned())));
        let team = AllowedUser::Team {
            organization: "acme".to_owned(),
            slug: "core-team".to_owned(),
        };
        assert_eq!(user("acme/core-team"), Some(team));
        assert_eq!(bot("49699333"), Some(AllowedBot::Id(49_699_333)));
        let app = AllowedBot::Login("dependabot[bot]".to_owned());
        assert_eq!(bot("dependabot[bot]"), Some(app));
        for text in [
            "",
            "-rf",
            "a b",
            "@octocat",
            "a/b/c",
            "a/",
            "dependabot[bot]",
            "octócat",
        ] {
            assert_eq!(user(text), None, "{text:?}");
        }
        for text in ["octocat", "[bot]", "-1", "a/b[bot]"] {
            assert_eq!(bot(text), None, "{text:?}");
        }
    }
}
