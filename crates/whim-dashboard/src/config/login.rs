//! The settings of the login.

use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Params};
use whim_service::environment::{Environment, whole_number};
use whim_service::secret::{ExposeSecret as _, SecretString};

/// A shorter password can be guessed.
pub const MIN_PASSWORD_CHARACTERS: usize = 12;

#[derive(Clone, Debug)]
pub struct LoginConfig {
    pub password: Password,
    /// `DASHBOARD_SESSION_HOURS`: time from the login to the end of a session.
    pub session: Duration,
}

#[derive(Clone, Debug)]
pub enum Password {
    /// `DASHBOARD_PASSWORD`.
    Plain(SecretString),
    /// `DASHBOARD_PASSWORD_HASH`: an argon2 hash in the PHC format.
    Hash(Box<PasswordHash>),
}

/// A setting is wrong, which the environment has recorded.
#[derive(Debug)]
pub(super) struct Refused;

impl LoginConfig {
    pub(super) fn read(env: &mut Environment) -> Result<Option<Self>, Refused> {
        let is_set = |env: &Environment, name: &str, file: &str| env.is_set(name) || env.is_set(file);
        let wants_plain = is_set(env, "DASHBOARD_PASSWORD", "DASHBOARD_PASSWORD_FILE");
        let wants_hash = is_set(env, "DASHBOARD_PASSWORD_HASH", "DASHBOARD_PASSWORD_HASH_FILE");
        let plain = env.secret("DASHBOARD_PASSWORD");
        let hash = env.secret("DASHBOARD_PASSWORD_HASH");
        let hours: u32 = env.or_default("DASHBOARD_SESSION_HOURS", 168, whole_number(1..=8760));
        let password = match (wants_plain, wants_hash) {
            (false, false) => return Ok(None),
            (true, true) => {
                env.refuse(
                    "DASHBOARD_PASSWORD_HASH",
                    "is set besides DASHBOARD_PASSWORD: set one of them",
                );
                None
            }
            (true, false) => plain.and_then(|password| long_enough(env, password)),
            (false, true) => hash.and_then(|hash| parsed(env, &hash)),
        };
        Ok(Some(Self {
            password: password.ok_or(Refused)?,
            session: Duration::from_secs(u64::from(hours) * 3600),
        }))
    }
}

fn long_enough(env: &mut Environment, password: SecretString) -> Option<Password> {
    let length = password.expose_secret().chars().count();
    if length >= MIN_PASSWORD_CHARACTERS {
        return Some(Password::Plain(password));
    }
    env.refuse(
        "DASHBOARD_PASSWORD",
        &format!(
            "expected at least {MIN_PASSWORD_CHARACTERS} characters, not {length}: generate one with `openssl rand -hex 16`"
        ),
    );
    None
}

fn parsed(env: &mut Environment, hash: &SecretString) -> Option<Password> {
    let hash = PasswordHash::new(hash.expose_secret()).ok().filter(is_complete);
    if hash.is_none() {
        env.refuse(
            "DASHBOARD_PASSWORD_HASH",
            "expected an argon2 hash such as `$argon2id$v=19$m=19456,t=2,p=1$…$…`: make one with \
             `whim-dashboard hash-password`",
        );
    }
    hash.map(|hash| Password::Hash(Box::new(hash)))
}

/// Whether passwords can be compared with it.
fn is_complete(hash: &PasswordHash) -> bool {
    Algorithm::new(hash.algorithm.as_str()).is_ok()
        && Params::try_from(hash).is_ok()
        && hash.salt.is_some()
        && hash.hash.is_some()
}
