//! Comparison of passwords, with argon2id.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;
use whim_service::secret::{ExposeSecret as _, SecretString};

use crate::config::Password;

/// Holds a hash only: the plain password is not kept.
#[derive(Debug)]
pub(super) struct Verifier {
    hash: PasswordHash,
    /// Each comparison takes 19 MiB and some ten milliseconds of a core.
    one_at_a_time: Semaphore,
}

impl Verifier {
    /// # Errors
    /// There are no random numbers for the salt.
    pub(super) fn new(password: &Password) -> Result<Self, Error> {
        let hash = match password {
            Password::Plain(password) => hash(password)?,
            Password::Hash(hash) => (**hash).clone(),
        };
        Ok(Self {
            hash,
            one_at_a_time: Semaphore::new(1),
        })
    }

    /// Whether it is the password. The library compares hashes in constant time.
    pub(super) async fn matches(&self, candidate: String) -> bool {
        let Ok(_permit) = self.one_at_a_time.acquire().await else {
            return false;
        };
        let hash = self.hash.clone();
        let compared = tokio::task::spawn_blocking(move || {
            Argon2::default().verify_password(candidate.as_bytes(), &hash)
        });
        match compared.await {
            Ok(Ok(())) => true,
            Ok(Err(Error::PasswordInvalid)) => false,
            Ok(Err(error)) => {
                tracing::error!(%error, "a password could not be compared");
                false
            }
            // The panic was logged.
            Err(_panicked) => false,
        }
    }
}

/// An argon2id hash of the password with a new salt and the recommended parameters.
///
/// # Errors
/// There are no random numbers for the salt.
pub(crate) fn hash(password: &SecretString) -> Result<PasswordHash, Error> {
    Argon2::default().hash_password(password.expose_secret().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct horse battery";

    async fn assert_only_the_password_matches(password: Password) {
        let verifier = Verifier::new(&password).unwrap();
        assert!(verifier.matches(PASSWORD.to_owned()).await);
        for wrong in [
            "",
            "correct horse batter",
            "correct horse batteryy",
            "Correct horse battery",
            "correct horse battery\0",
        ] {
            assert!(
                !verifier.matches(wrong.to_owned()).await,
                "{wrong:?} was accepted"
            );
        }
    }

    #[tokio::test]
    async fn only_the_exact_password_matches() {
        assert_only_the_password_matches(Password::Plain(PASSWORD.into())).await;
    }

    #[tokio::test]
    async fn a_hash_can_be_configured_in_place_of_the_password() {
        let hash = hash(&PASSWORD.into()).unwrap().to_string();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let hash = PasswordHash::new(&hash).unwrap();
        assert_only_the_password_matches(Password::Hash(Box::new(hash))).await;
    }
}
