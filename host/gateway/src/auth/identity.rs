//! [`Identity`]: a peer's name and scopes. An extractor, for handlers.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use plugbus_bus::{FILTERS_MAX, Filter, Topic};
use tokio::sync::watch;

use crate::problem::Problem;
use crate::rate::Bucket;

/// Who asks, and what they may. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Identity(Arc<Granted>);

/// A name, and what goes with it.
#[derive(Debug, Default)]
struct Granted {
    /// For logs and counters. Never the token itself.
    name: String,
    scopes: Scopes,
    /// How often they may ask; none for those who may as often as they like.
    bucket: Option<Bucket>,
    /// Whether their token is no longer known, or has other scopes.
    revoked: watch::Sender<bool>,
}

/// What somebody may.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Scopes {
    /// Everything: what the others say does not matter then.
    pub(crate) admin: bool,
    /// Where to publish.
    pub(crate) publish: Vec<Filter>,
    /// What to see.
    pub(crate) subscribe: Vec<Filter>,
}

impl Identity {
    pub(crate) fn new(name: impl Into<String>, scopes: Scopes) -> Self {
        Self(Arc::new(Granted { name: name.into(), scopes, bucket: Some(Bucket::default()), ..Granted::default() }))
    }

    /// Whoever is on the local socket: the owner of the host.
    pub(crate) fn local() -> Self {
        let scopes = Scopes { admin: true, ..Scopes::default() };
        Self(Arc::new(Granted { name: "local".into(), scopes, ..Granted::default() }))
    }

    /// One who has not said who they are, and may nothing.
    pub(crate) fn nobody() -> Self {
        Self::new("", Scopes::default())
    }

    /// Their token is no longer known, or has other scopes.
    pub(crate) fn revoke(&self) {
        self.0.revoked.send_replace(true);
    }

    /// Resolves when that is so.
    pub(crate) async fn revoked(&self) {
        // The sender is ours: it cannot be gone.
        drop(self.0.revoked.subscribe().wait_for(|revoked| *revoked).await);
    }

    /// Whether they are one and the same, and not only of the same name.
    #[cfg(test)]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether they have not said who they are.
    pub(crate) fn is_nobody(&self) -> bool {
        self.0.name.is_empty()
    }

    /// Their permits.
    pub(crate) fn bucket(&self) -> Option<&Bucket> {
        self.0.bucket.as_ref()
    }

    /// One who may do everything.
    pub(crate) fn all(name: &str) -> Self {
        Self::new(name, Scopes { admin: true, ..Scopes::default() })
    }

    /// For logs and counters.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// What they may.
    pub(crate) fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// Whether they may publish there.
    pub(crate) fn may_publish(&self, topic: &Topic) -> bool {
        let scopes = self.scopes();
        scopes.admin || scopes.publish.iter().any(|filter| filter.matches(topic))
    }

    /// Whether they may see all that this filter matches.
    pub(crate) fn may_subscribe(&self, filter: &Filter) -> bool {
        let scopes = self.scopes();
        scopes.admin || scopes.subscribe.iter().any(|own| own.covers(filter))
    }

    /// Filters for as much as they may see, as far as one watcher can have it.
    pub(crate) fn visible(&self) -> Vec<Filter> {
        let scopes = self.scopes();
        if scopes.admin {
            return Filter::parse(">").into_iter().collect();
        }
        scopes.subscribe.iter().take(FILTERS_MAX).cloned().collect()
    }

    /// Whether they may do everything.
    pub(crate) fn is_admin(&self) -> bool {
        self.scopes().admin
    }

    /// # Errors
    /// 403, with the scope that is missing.
    pub(crate) fn require_publish(&self, topic: &Topic) -> Result<(), Problem> {
        if self.may_publish(topic) { Ok(()) } else { Err(self.lacks(&format!("publish:{topic}"))) }
    }

    /// # Errors
    /// 403, with the scope that is missing.
    pub(crate) fn require_subscribe(&self, filter: &Filter) -> Result<(), Problem> {
        if self.may_subscribe(filter) { Ok(()) } else { Err(self.lacks(&format!("subscribe:{filter}"))) }
    }

    /// # Errors
    /// 403, with the scope that is missing.
    pub(crate) fn require_admin(&self) -> Result<(), Problem> {
        if self.is_admin() { Ok(()) } else { Err(self.lacks("admin")) }
    }

    fn lacks(&self, scope: &str) -> Problem {
        if self.is_nobody() {
            return Problem::unauthorized(format!("a token with a scope that covers `{scope}` is needed"));
        }
        Problem::forbidden(format!("the token `{}` has no scope that covers `{scope}`", self.name()))
    }
}

impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Problem::unauthorized("nobody looked who asks; please report this"))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Identity {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(texts: &[&str]) -> Vec<Filter> {
        texts.iter().map(|text| Filter::parse(text).unwrap()).collect()
    }

    #[test]
    fn scopes_allow_what_their_filters_cover_and_no_more() {
        let scopes = Scopes { admin: false, publish: filters(&["build.>"]), subscribe: filters(&["build.*", "log"]) };
        let ci = Identity::new("ci", scopes);
        let topic = |text| Topic::parse(text).unwrap();
        let filter = |text| Filter::parse(text).unwrap();
        assert!(ci.may_publish(&topic("build.done")) && !ci.may_publish(&topic("deploy.done")));
        assert!(ci.may_subscribe(&filter("build.*")) && ci.may_subscribe(&filter("log")));
        assert!(!ci.may_subscribe(&filter("build.>")) && !ci.may_subscribe(&filter(">")));
        assert!(!ci.is_admin());
        assert!(Identity::all("local").may_subscribe(&filter("plugbus.>")));
    }
}
