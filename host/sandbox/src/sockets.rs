//! `wasi:sockets`: outgoing TCP to the granted endpoints, and nothing else.
//!
//! wasmtime makes the sockets and moves the bytes; whether it may is decided here, again for each connection. A guest may
//! connect to an address that a grant names literally, or to one to which a granted name led when this instance looked it up
//! last, and there only to the port that is granted with it. So the host alone resolves names, none but granted ones, and
//! what a name leads to is checked as for HTTP ([`address`](crate::address)): an address that somebody else's name server
//! gives opens nothing but that name's own ports. Binding to an address or port, listening and UDP are never granted.
//!
//! The interfaces are always linked, because language runtimes import them; without a grant each use is refused.
//!
//! What bounds it: `tcp_connects_max` connections and lookups for each event, `tcp_sockets_max` sockets at one time, four
//! lookups of names at one time, the call's deadline for each wait. Sockets stay open between events, for a guest that keeps
//! a connection; what comes in meanwhile waits in the system's buffers, and at most 64 KiB of each are still on their way out.
//! They end with their instance. Every refusal is counted; the first with the same words is written to the plugin's log.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime_wasi::sockets::SocketAddrUse;

use crate::endpoint::Endpoint;
use crate::log::LogLevel;
use crate::metrics::Metrics;
use crate::origin::Host;
use crate::plugin_log::PluginLog;
use crate::template::Inner;

mod interface;
mod lookup;

pub(crate) use interface::add_to_linker;

/// What one instance may do with the network. Shared by the store and by wasmtime's check of addresses.
pub(crate) struct Network {
    template: Arc<Inner>,
    log: PluginLog,
    used: Mutex<Used>,
}

/// What the instance has of it.
#[derive(Default)]
struct Used {
    /// Connections and lookups that are left to the running call.
    attempts_left: u32,
    attempts_said: bool,
    sockets: u32,
    sockets_said: bool,
    /// Where granted names led when they were looked up last: as many as are granted, eight addresses each.
    names: BTreeMap<String, Vec<IpAddr>>,
}

impl Network {
    pub(crate) fn new(template: Arc<Inner>, log: PluginLog) -> Self {
        Self { template, log, used: Mutex::default() }
    }

    /// A call begins.
    pub(crate) fn begin(&self) {
        let mut used = self.used();
        used.attempts_left = self.template.spec.limits.tcp_connects_max;
        (used.attempts_said, used.sockets_said) = (false, false);
    }

    /// Whether wasmtime may use an address for this.
    pub(crate) fn may_use(&self, address: SocketAddr, purpose: SocketAddrUse) -> bool {
        match purpose {
            // The system's own choice, which comes before every connection. It opens nothing: listening is refused.
            SocketAddrUse::TcpBind if address.ip().is_unspecified() && address.port() == 0 => true,
            SocketAddrUse::TcpConnect => self.may_connect(address),
            SocketAddrUse::TcpBind => {
                self.deny("tcp", &format!("binding to `{address}`: only outgoing TCP is granted"))
            }
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => {
                self.deny("tcp", "listening: only outgoing TCP is granted")
            }
            SocketAddrUse::UdpBind | SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => self.deny_udp(),
        }
    }

    fn may_connect(&self, address: SocketAddr) -> bool {
        if !self.attempt() {
            return false;
        }
        let endpoints = &self.template.spec.grants.tcp;
        if permits(endpoints, &self.used().names, address) {
            Metrics::add(&self.template.metrics.tcp_connects, 1);
            return true;
        }
        let named = endpoints.iter().any(|endpoint| matches!(endpoint.host(), Host::Name(_)));
        let hint = if named { ", or look the granted name up first" } else { "" };
        self.deny("tcp", &format!("connecting to `{address}` is not granted; add it to `tcp` under `[grants]`{hint}"))
    }

    /// One connection or lookup more in this call, if it has any left.
    fn attempt(&self) -> bool {
        let mut used = self.used();
        let Some(left) = used.attempts_left.checked_sub(1) else {
            let limit = self.template.spec.limits.tcp_connects_max;
            let said = std::mem::replace(&mut used.attempts_said, true);
            drop(used);
            self.over_limit(said, &format!("over {limit} TCP connections and lookups in one call"));
            return false;
        };
        used.attempts_left = left;
        true
    }

    /// Whether the instance may have one socket more.
    fn has_room(&self) -> bool {
        let limit = self.template.spec.limits.tcp_sockets_max;
        let mut used = self.used();
        if used.sockets < limit {
            return true;
        }
        let said = std::mem::replace(&mut used.sockets_said, true);
        drop(used);
        self.over_limit(said, &format!("over {limit} TCP sockets at one time"));
        false
    }

    fn opened(&self) {
        self.used().sockets += 1;
    }

    fn closed(&self) {
        let mut used = self.used();
        used.sockets = used.sockets.saturating_sub(1);
    }

    /// Whether a grant names this host.
    fn is_granted(&self, name: &str) -> bool {
        let is_it = |endpoint: &Endpoint| matches!(endpoint.host(), Host::Name(granted) if granted == name);
        self.template.spec.grants.tcp.iter().any(is_it)
    }

    /// Where a granted name leads from now on.
    fn remember(&self, name: String, addresses: &[IpAddr]) {
        self.used().names.insert(name, addresses.to_vec());
    }

    /// Said once for each call: a loop would fill the log.
    fn over_limit(&self, said: bool, what: &str) {
        Metrics::add(&self.template.metrics.sockets_over_limit, 1);
        if !said {
            self.log.host(LogLevel::Warn, &format!("refused: {what}"));
        }
    }

    fn deny_udp(&self) -> bool {
        self.deny("udp", "UDP is never granted")
    }

    /// Counts a refusal and writes it down: the first few different ones in the log, all of them for the operator.
    fn deny(&self, what: &'static str, problem: &str) -> bool {
        Metrics::add(&self.template.metrics.sockets_denied, 1);
        if self.template.denials.note(what, problem) {
            self.log.host(LogLevel::Warn, &format!("socket refused: {problem}"));
        }
        false
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an address is one of the granted endpoints, or one to which a granted name led. Pure.
fn permits(endpoints: &[Endpoint], names: &BTreeMap<String, Vec<IpAddr>>, address: SocketAddr) -> bool {
    // A scope would choose the network interface, which no grant names.
    let scoped = matches!(address, SocketAddr::V6(address) if address.scope_id() != 0);
    let ip = address.ip().to_canonical();
    let is_it = |endpoint: &Endpoint| {
        endpoint.port() == address.port()
            && match endpoint.host() {
                Host::Ip(granted) => *granted == ip,
                Host::Name(name) => names.get(name).is_some_and(|led| led.contains(&ip)),
            }
    };
    !scoped && endpoints.iter().any(is_it)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;

    use super::*;
    use crate::address::LOOKUPS_MAX;
    use crate::config::PluginSpec;

    #[tokio::test]
    async fn a_lookup_that_nobody_asks_about_keeps_no_other_from_its_turn() {
        let mut spec = PluginSpec::new("x");
        spec.grants.tcp = vec!["localhost:1".parse().unwrap()];
        spec.limits.tcp_connects_max = LOOKUPS_MAX as u32;
        let template = crate::tests::template(&crate::tests::guest::Guest::default(), spec).await.inner;
        let network = Arc::new(Network::new(template.clone(), PluginLog::new(template.clone())));
        network.begin();
        let turns = LOOKUPS_MAX as u32;
        let taken = template.lookups.acquire_many(turns).await.unwrap();
        let mut waiting: Vec<_> =
            (0..LOOKUPS_MAX).map(|_| lookup::Lookup::begin(&network, "localhost").unwrap()).collect();
        // Asked once, as a guest does, and then left alone.
        assert!(waiting.iter_mut().all(|lookup| matches!(lookup.next(), Err(ErrorCode::WouldBlock))));
        drop(taken);
        let free = tokio::time::timeout(Duration::from_secs(30), template.lookups.acquire_many(turns)).await;
        assert!(free.is_ok(), "their turns came, and nobody gave them back");
        drop(waiting);
    }

    #[test]
    fn an_address_is_permitted_at_the_port_of_the_grant_that_leads_to_it() {
        let endpoints: Vec<Endpoint> =
            ["a.example:80", "b.example:90", "10.0.0.1:70", "[fd00::1]:60"].map(|text| text.parse().unwrap()).into();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut names = BTreeMap::from([("a.example".to_owned(), vec![ip("1.1.1.1"), ip("2606:4700::1111")])]);
        let permits = |names: &BTreeMap<_, _>, text: &str| permits(&endpoints, names, text.parse().unwrap());
        for text in ["1.1.1.1:80", "[2606:4700::1111]:80", "[::ffff:1.1.1.1]:80", "10.0.0.1:70", "[fd00::1]:60"] {
            assert!(permits(&names, text), "{text}");
        }
        // Not yet looked up, another name's port, another address, another interface.
        for text in ["1.1.1.2:90", "1.1.1.1:90", "1.1.1.1:70", "10.0.0.1:80", "10.0.0.2:70", "[fd00::1%3]:60"] {
            assert!(!permits(&names, text), "{text}");
        }
        // A name that leads elsewhere leads no longer to where it led.
        names.insert("a.example".into(), vec![ip("1.1.1.3")]);
        assert!(permits(&names, "1.1.1.3:80") && !permits(&names, "1.1.1.1:80"));
    }
}
