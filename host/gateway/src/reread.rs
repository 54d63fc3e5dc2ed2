//! What is read again while the gateway runs: the file of tokens, and the certificate with its key.
//!
//! A file that cannot be used changes nothing: what was read before stays in force. Connections go on. A token that is no longer
//! there, or whose scopes are others, is refused from the next request on, and the streams, WebSockets and Socket.IO clients that
//! it opened are told good-bye: they could not be opened now. Those of all others do not notice. A certificate is shown to
//! connections that come from then on.

use std::sync::{Arc, PoisonError};

use crate::auth::{Change, Tokens};
use crate::gateway::GatewayError;
use crate::serve;
use crate::shared::Shared;

/// Reads both again, each for itself. What could not be used.
pub(crate) fn reread(shared: &Shared) -> Vec<GatewayError> {
    // Of two who read at the same time the later one reads what is the latest.
    let _one = shared.rereading.lock().unwrap_or_else(PoisonError::into_inner);
    let tokens = reread_tokens(shared).err();
    let tls = reread_tls(shared).err();
    tokens.into_iter().chain(tls).collect()
}

fn reread_tokens(shared: &Shared) -> Result<(), GatewayError> {
    let (Some(path), Some(known)) = (&shared.settings.tokens, &shared.tokens) else { return Ok(()) };
    let read = Tokens::read(path).map_err(|source| GatewayError::Tokens { path: path.clone(), source })?;
    let (tokens, Change { known: count, new, gone }) = read.after(&known.load());
    known.store(Arc::new(tokens));
    // Only now: whoever is told good-bye must not get in again.
    gone.iter().for_each(|identity| identity.revoke());
    tracing::info!(path = %path.display(), known = count, new, gone = gone.len(), "tokens read again");
    Ok(())
}

fn reread_tls(shared: &Shared) -> Result<(), GatewayError> {
    let Some(files) = &shared.settings.tls else { return Ok(()) };
    if shared.tls.load().is_none() {
        // It does not listen.
        return Ok(());
    }
    shared.tls.store(Some(serve::tls_config(files)?));
    tracing::info!(cert = %files.cert.display(), "certificate and key read again");
    Ok(())
}
