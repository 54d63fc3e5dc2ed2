//! Which addresses a guest may be connected to.
//!
//! The system's resolver blocks a thread for as long as it likes, whatever becomes of the request, so that a guest which asks
//! again and again while it is slow would take one thread after the other from the whole host: [`LOOKUPS_MAX`] bounds them
//! for each plugin, and further requests wait within their own time.

use std::io::{Error, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::origin::Host;

/// Most lookups of names at one time, for one generation of a plugin.
pub(crate) const LOOKUPS_MAX: usize = 4;

/// Why a host has no address to connect to.
#[derive(Debug)]
pub(crate) enum ResolveError {
    /// The name is not found, or the resolver does not answer.
    Lookup(std::io::Error),
    /// The name leads to an address that is not public, for example this one.
    Private(IpAddr),
}

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// The addresses of a host that may be connected to, each with this port; at least one.
///
/// An address written in the grant is meant literally. `localhost` is loopback and nothing else. Any other name must lead
/// to public addresses: those that are not are left out, and a name with no other is refused.
pub(crate) async fn resolve(
    host: &Host,
    port: u16,
    lookups: &Arc<Semaphore>,
) -> std::result::Result<Vec<SocketAddr>, ResolveError> {
    let target = match host {
        Host::Ip(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        Host::Name(name) => (name.clone(), port),
    };
    let found = bounded(lookups, move || target.to_socket_addrs()).await.map_err(ResolveError::Lookup)?;
    choose(found, host.may_be_private())
}

/// Runs something that blocks on a thread for that, when its turn has come. It keeps its turn to its end, even where nobody
/// waits for it any more.
async fn bounded<T: Send + 'static>(
    lookups: &Arc<Semaphore>,
    look_up: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let permit = lookups.clone().acquire_owned().await.map_err(Error::other)?;
    let blocking = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        look_up()
    });
    blocking.await.map_err(Error::other)?
}

/// Keeps what may be connected to. Pure.
fn choose(
    found: impl Iterator<Item = SocketAddr>,
    localhost: bool,
) -> std::result::Result<Vec<SocketAddr>, ResolveError> {
    let (allowed, refused): (Vec<_>, Vec<_>) =
        found.partition(|address| if localhost { address.ip().is_loopback() } else { is_public(address.ip()) });
    match (allowed.is_empty(), refused.first()) {
        (false, _) => Ok(allowed.into_iter().take(ADDRESSES_MAX).collect()),
        (true, Some(address)) => Err(ResolveError::Private(address.ip())),
        (true, None) => Err(ResolveError::Lookup(std::io::ErrorKind::NotFound.into())),
    }
}

/// Whether an address is of the public internet: neither this machine, nor its network, nor any of the special ranges
/// (IANA's registries for special-purpose addresses). An IPv6 address that carries an IPv4 address is judged by that one.
/// Pure.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b)) // shared by carriers' NAT
        || (a == 169 && b == 254) // link-local, cloud metadata
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2)) // protocol assignments, documentation
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 198 && (18..20).contains(&b)) // benchmarks
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 224) // multicast, reserved, broadcast
}

/// Only 2000::/3 is given out; the rest is special or nobody's. Within it the special ranges are taken out.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    (0x2000..0x4000).contains(&a)
        && !(a == 0x2001 && b < 0x200) // Teredo, ORCHID, benchmarks and the like
        && !(a == 0x2001 && b == 0xdb8) // documentation
        && !(a == 0x3fff && b < 0x1000) // documentation
        && a != 0x2002 // 6to4: leads to whatever IPv4 address is inside
}

/// The IPv4 address in a mapped (`::ffff:…`), compatible (`::…`) or NAT64 (`64:ff9b::…`) address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let prefix = address.segments();
    let [a, b, c, d, e, f, high, low] = prefix;
    let carries = match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => true,
        [0, 0, 0, 0, 0, 0] => high != 0,
        _ => false,
    };
    carries.then(|| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn lookups_that_hang_keep_their_turn_and_no_more_threads_than_that() {
        let lookups = Arc::new(Semaphore::new(2));
        let (end, hang) = std::sync::mpsc::channel::<()>();
        let hang = Arc::new(std::sync::Mutex::new(hang));
        let begun = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        for _ in 0..10 {
            let (hang, begun) = (hang.clone(), begun.clone());
            let look_up = move || {
                begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let _ended = hang.lock().unwrap().recv();
                Ok(())
            };
            // Given up, as at a time-out.
            assert!(tokio::time::timeout(Duration::from_millis(10), bounded(&lookups, look_up)).await.is_err());
        }
        assert!(begun.load(std::sync::atomic::Ordering::SeqCst) <= 2);
        drop(end);
        let found = tokio::time::timeout(Duration::from_secs(30), bounded(&lookups, || Ok(7))).await.unwrap();
        assert_eq!(found.unwrap(), 7);
    }

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        let public =
            ["1.1.1.1", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.167.0.1"];
        let public_v6 =
            ["2606:4700::1111", "2a00:1450:4001::1", "::ffff:1.1.1.1", "64:ff9b::101:101", "2001:4860::8888"];
        for text in public.iter().chain(&public_v6) {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        let special = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in special {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn private_addresses_of_a_name_are_left_out_or_refuse_it() {
        let choose = |list: &[&str], localhost| {
            super::choose(list.iter().map(|text| format!("{text}:80").parse().unwrap()), localhost).map(|a| a.len())
        };
        assert!(matches!(choose(&["1.1.1.1", "10.0.0.1"], false), Ok(1)));
        assert!(matches!(choose(&["10.0.0.1"], false), Err(ResolveError::Private(_))));
        assert!(matches!(choose(&[], false), Err(ResolveError::Lookup(_))));
        assert!(matches!(choose(&["127.0.0.1", "[::1]"], true), Ok(2)));
        assert!(matches!(choose(&["1.1.1.1"], true), Err(ResolveError::Private(_))));
        assert!(matches!(choose(&["1.1.1.1"; 20], false), Ok(ADDRESSES_MAX)));
    }
}
