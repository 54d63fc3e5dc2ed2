//! Looking a granted name up: a resource of the guest's, polled like a stream.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::vec;

use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;
use wasmtime_wasi::runtime::spawn;

use super::Network;
use crate::address::{self, ResolveError};
use crate::log::LogLevel;
use crate::origin::{Host, parse_host};

type Answer = Result<Vec<IpAddr>, ErrorCode>;

/// A lookup under way, or what is left of its answer. Dropped, it ends; what blocks for it keeps its turn.
pub(super) enum Lookup {
    Running(Pin<Box<dyn Future<Output = Answer> + Send>>),
    Found(vec::IntoIter<IpAddr>),
    Failed(ErrorCode),
}

impl Lookup {
    /// Begins, if the name is granted. An address is its own answer: whether it may be connected to is asked later.
    pub(super) fn begin(network: &Arc<Network>, name: &str) -> Result<Self, ErrorCode> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(Self::Found(vec![address].into_iter()));
        }
        let host = parse_host(name).map_err(|_problem| ErrorCode::InvalidArgument)?;
        let Host::Name(name) = &host else {
            return Err(ErrorCode::InvalidArgument);
        };
        if !network.attempt() {
            return Err(ErrorCode::AccessDenied);
        }
        if !network.is_granted(name) {
            let problem = format!("looking up `{name}` is not granted; add it with its port to `tcp` under `[grants]`");
            network.deny("tcp", &problem);
            return Err(ErrorCode::AccessDenied);
        }
        // On a task of its own: a guest that leaves it alone would else keep the turn that has come to it, and no other lookup of
        // the plugin would ever have one.
        Ok(Self::Running(Box::pin(spawn(look_up(network.clone(), host)))))
    }

    /// The next address, or nothing after the last one.
    pub(super) fn next(&mut self) -> Result<Option<IpAddr>, ErrorCode> {
        match self.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Err(ErrorCode::WouldBlock),
            Poll::Ready(()) => match self {
                Self::Running(_) => Err(ErrorCode::WouldBlock),
                Self::Found(addresses) => Ok(addresses.next()),
                Self::Failed(error) => Err(*error),
            },
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Self::Running(answer) = self {
            *self = match std::task::ready!(answer.as_mut().poll(context)) {
                Ok(addresses) => Self::Found(addresses.into_iter()),
                Err(error) => Self::Failed(error),
            };
        }
        Poll::Ready(())
    }
}

impl Pollable for Lookup {
    fn ready<'life, 'future>(&'life mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'future>>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(poll_fn(|context| self.poll(context)))
    }
}

async fn look_up(network: Arc<Network>, host: Host) -> Answer {
    // The port is not part of the question.
    match address::resolve(&host, 0, &network.template.lookups).await {
        Ok(found) => {
            let addresses: Vec<IpAddr> = found.iter().map(|address| address.ip().to_canonical()).collect();
            network.remember(host.to_string(), &addresses);
            Ok(addresses)
        }
        Err(ResolveError::Lookup(error)) => {
            network.log.host(LogLevel::Warn, &format!("TCP to `{host}`: name lookup: {error}"));
            Err(ErrorCode::NameUnresolvable)
        }
        Err(ResolveError::Private(address)) => {
            let problem = format!("`{host}` resolves to {address}, which is not public; grant the address itself");
            network.deny("tcp", &problem);
            Err(ErrorCode::AccessDenied)
        }
    }
}
