//! Sessions in signed cookies.
//!
//! The cookie holds an identifier and the time of expiry. The key is made at the start of the program, so a restart ends
//! every session, and a session that was logged out stays so.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use cookie::{Cookie, CookieJar, Key, SameSite};
use tokio::sync::watch;
use uuid::Uuid;

const NAME: &str = "whim_session";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    id: Uuid,
    expires: SystemTime,
}

pub(crate) struct Sessions {
    key: Key,
    lifetime: Duration,
    /// Logged out before they expired, with their expiry.
    revoked: watch::Sender<BTreeMap<Uuid, SystemTime>>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Sessions")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl Sessions {
    /// # Errors
    /// There are no random numbers.
    pub(super) fn new(lifetime: Duration) -> anyhow::Result<Self> {
        Ok(Self {
            key: Key::try_generate().context("generating the key of the sessions")?,
            lifetime,
            revoked: watch::Sender::default(),
        })
    }

    pub(super) fn start(&self) -> Session {
        Session {
            id: Uuid::new_v4(),
            expires: SystemTime::now() + self.lifetime,
        }
    }

    /// The cookie of a session. `secure` if the browser uses TLS.
    pub(crate) fn cookie(&self, session: Session, secure: bool) -> Cookie<'static> {
        let expires = session.expires.duration_since(UNIX_EPOCH).unwrap_or_default();
        let max_age = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let cookie = with_attributes(format!("{}.{}", session.id, expires.as_secs()), secure)
            .max_age(cookie::time::Duration::seconds(max_age))
            .build();
        let mut jar = CookieJar::new();
        jar.signed_mut(&self.key).add(cookie.clone());
        jar.get(NAME).cloned().unwrap_or(cookie)
    }

    /// The cookie that removes a session from the browser.
    pub(crate) fn removal(secure: bool) -> Cookie<'static> {
        with_attributes(String::new(), secure).removal().build()
    }

    /// The session of a request, if it has a valid one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<Session> {
        self.at(headers, SystemTime::now())
    }

    fn at(&self, headers: &HeaderMap, now: SystemTime) -> Option<Session> {
        let jar = CookieJar::new();
        let signed = jar.signed(&self.key);
        let texts = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        // Another service on this host may have set a cookie of the same name.
        texts
            .flat_map(|text| Cookie::split_parse(text.to_owned()))
            .filter_map(Result::ok)
            .filter(|cookie| cookie.name() == NAME)
            .filter_map(|cookie| signed.verify(cookie))
            .filter_map(|cookie| parse(cookie.value()))
            .find(|session| session.expires > now && !self.revoked.borrow().contains_key(&session.id))
    }

    pub(crate) fn revoke(&self, session: Session) {
        let now = SystemTime::now();
        self.revoked.send_modify(|revoked| {
            revoked.retain(|_, expires| *expires > now);
            revoked.insert(session.id, session.expires);
        });
    }

    /// Completes when the session expires or is logged out.
    pub(crate) fn end_of(&self, session: Session) -> impl Future<Output = ()> + Send + use<> {
        let left = session
            .expires
            .duration_since(SystemTime::now())
            .unwrap_or_default();
        let mut revoked = self.revoked.subscribe();
        async move {
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                // An error means that the sessions are gone.
                _revoked = revoked.wait_for(|revoked| revoked.contains_key(&session.id)) => {}
            }
        }
    }
}

fn with_attributes(value: String, secure: bool) -> cookie::CookieBuilder<'static> {
    Cookie::build((NAME, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(secure)
}

fn parse(value: &str) -> Option<Session> {
    let (id, expires) = value.split_once('.')?;
    let expires = Duration::from_secs(expires.parse().ok()?);
    Some(Session {
        id: id.parse().ok()?,
        expires: UNIX_EPOCH.checked_add(expires)?,
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const LIFETIME: Duration = Duration::from_hours(1);

    fn sent_back(cookie: &Cookie<'_>) -> HeaderMap {
        let text = format!("theme=dark; {}={}", cookie.name(), cookie.value());
        HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(text).unwrap())])
    }

    #[test]
    fn a_session_is_valid_until_it_expires() {
        let sessions = Sessions::new(LIFETIME).unwrap();
        let session = sessions.start();
        let headers = sent_back(&sessions.cookie(session, false));
        let now = SystemTime::now();
        assert_eq!(sessions.at(&headers, now).map(|found| found.id), Some(session.id));
        assert_eq!(sessions.at(&headers, now + LIFETIME), None);
    }

    #[test]
    fn a_changed_or_foreign_cookie_is_no_session() {
        let sessions = Sessions::new(LIFETIME).unwrap();
        let cookie = sessions.cookie(sessions.start(), false);
        let value = cookie.value();
        let (mac, content) = value.split_at(44);
        let later = content.replace('.', ".9");
        let other = Sessions::new(LIFETIME).unwrap();
        let foreign = other.cookie(other.start(), false).value().to_owned();
        for wrong in [
            String::new(),
            content.to_owned(),
            format!("{mac}{later}"),
            format!("{}{content}", "A".repeat(44)),
            value[..value.len() - 1].to_owned(),
            format!("{value}0"),
            foreign,
        ] {
            let headers = sent_back(&Cookie::new(NAME, wrong.clone()));
            assert_eq!(sessions.of(&headers), None, "{wrong:?} was accepted");
        }
    }

    #[test]
    fn a_foreign_cookie_of_the_same_name_does_not_hide_the_session() {
        let sessions = Sessions::new(LIFETIME).unwrap();
        let valid = sessions.cookie(sessions.start(), false);
        let text = format!("{NAME}=foreign; {NAME}={}", valid.value());
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(text).unwrap())]);
        assert!(sessions.of(&headers).is_some());
    }

    #[tokio::test]
    async fn a_session_that_was_logged_out_is_not_accepted_again_and_its_streams_end() {
        let sessions = Sessions::new(LIFETIME).unwrap();
        let (session, other) = (sessions.start(), sessions.start());
        let end = sessions.end_of(session);
        sessions.revoke(session);
        end.await;
        assert_eq!(sessions.of(&sent_back(&sessions.cookie(session, false))), None);
        assert!(sessions.of(&sent_back(&sessions.cookie(other, false))).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_streams_of_a_session_end_when_it_expires() {
        let sessions = Sessions::new(LIFETIME).unwrap();
        sessions.end_of(sessions.start()).await;
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let sessions = Sessions::new(LIFETIME).unwrap();
        let shown = sessions.cookie(sessions.start(), true).to_string();
        for attribute in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age=3600"] {
            assert!(shown.contains(attribute), "{shown}");
        }
        assert!(!shown.contains("Domain"), "{shown}");
        assert!(!Sessions::removal(false).to_string().contains("Secure"));
        assert!(Sessions::removal(false).to_string().contains("Max-Age=0"));
    }
}
