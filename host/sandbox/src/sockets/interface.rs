//! `wasi:sockets` as wasmtime has it, but for what it does not bound or would look up itself.
//!
//! Should a new wasmtime name its interfaces otherwise, what stands here is no longer in the way of a guest; then its own
//! settings still refuse lookups and UDP, and still ask [`super::Network`] about each connection.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, IpAddressFamily, Network};
use wasmtime_wasi::p2::bindings::sockets::{tcp::HostTcpSocket as _, tcp_create_socket::Host as _};
use wasmtime_wasi::p2::{DynPollable, TcpSocket, UdpSocket, subscribe};
use wasmtime_wasi::sockets::WasiSocketsView as _;

use super::lookup::Lookup;
use crate::state::State;

/// The release of WASI whose names wasmtime's own bindings have; a linker takes them for every release of 0.2.
macro_rules! interface {
    ($name:literal) => {
        concat!("wasi:sockets/", $name, "@0.2.12")
    };
}

type Store<'a> = StoreContextMut<'a, State>;
type Answer<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

/// Puts what stands here in the place of wasmtime's own, which must be linked already.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(interface!("tcp-create-socket"))?.func_wrap("create-tcp-socket", create_tcp)?;
    linker.instance(interface!("tcp"))?.resource("tcp-socket", ResourceType::host::<TcpSocket>(), drop_tcp)?;
    linker.instance(interface!("udp-create-socket"))?.func_wrap("create-udp-socket", create_udp)?;
    let mut names = linker.instance(interface!("ip-name-lookup"))?;
    names.resource("resolve-address-stream", ResourceType::host::<Lookup>(), |mut store, rep| {
        store.data_mut().table.delete(Resource::<Lookup>::new_own(rep))?;
        Ok(())
    })?;
    names.func_wrap("resolve-addresses", resolve)?;
    names.func_wrap("[method]resolve-address-stream.resolve-next-address", next_address)?;
    names.func_wrap("[method]resolve-address-stream.subscribe", wait_for_address)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn create_tcp(mut store: Store<'_>, (family,): (IpAddressFamily,)) -> Answer<Resource<TcpSocket>> {
    let state = store.data_mut();
    if state.template.spec.grants.tcp.is_empty() {
        state.network.deny("tcp", "TCP is not granted; add `tcp = [\"host:port\"]` under `[grants]`");
        return Ok((Err(ErrorCode::AccessDenied),));
    }
    if !state.network.has_room() {
        return Ok((Err(ErrorCode::NewSocketLimit),));
    }
    Ok((match state.sockets().create_tcp_socket(family) {
        Ok(socket) => {
            state.network.opened();
            Ok(socket)
        }
        Err(error) => Err(error.downcast()?),
    },))
}

fn drop_tcp(mut store: Store<'_>, rep: u32) -> wasmtime::Result<()> {
    let state = store.data_mut();
    state.sockets().drop(Resource::new_own(rep))?;
    state.network.closed();
    Ok(())
}

fn create_udp(store: Store<'_>, _: (IpAddressFamily,)) -> Answer<Resource<UdpSocket>> {
    store.data().network.deny_udp();
    Ok((Err(ErrorCode::AccessDenied),))
}

fn resolve(mut store: Store<'_>, (_, name): (Resource<Network>, String)) -> Answer<Resource<Lookup>> {
    let state = store.data_mut();
    Ok((match Lookup::begin(&state.network, &name) {
        Ok(lookup) => Ok(state.table.push(lookup)?),
        Err(error) => Err(error),
    },))
}

fn next_address(mut store: Store<'_>, (lookup,): (Resource<Lookup>,)) -> Answer<Option<IpAddress>> {
    let found = store.data_mut().table.get_mut(&lookup)?.next();
    Ok((found.map(|address| address.map(IpAddress::from)),))
}

fn wait_for_address(
    mut store: Store<'_>,
    (lookup,): (Resource<Lookup>,),
) -> wasmtime::Result<(Resource<DynPollable>,)> {
    Ok((subscribe(&mut store.data_mut().table, lookup)?,))
}
