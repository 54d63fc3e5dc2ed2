//! `wasi:http/outgoing-handler` as wasmtime has it, but for what it forgets.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::{RequestOptions, WasiHttp, WasiHttpView as _};

use crate::state::State;

/// Its name as wasmtime's own bindings have it; a linker takes it for every release of 0.2.
const INTERFACE: &str = "wasi:http/outgoing-handler@0.2.12";

type Request = Resource<HostOutgoingRequest>;
type Options = Option<Resource<RequestOptions>>;
type Answer = Result<Resource<HostFutureIncomingResponse>, ErrorCode>;

/// Puts `wasi:http` into a linker.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, WasiHttp>(linker, &LinkOptions::default().into(), State::http)?;
    linker.instance(INTERFACE)?.func_wrap("handle", handle)
}

/// The guest has handed its options over, and wasmtime 48 only reads them: left where they are, each request would cost the
/// instance one of the resources that it may have, for good.
fn handle(
    mut store: StoreContextMut<'_, State>,
    (request, options): (Request, Options),
) -> wasmtime::Result<(Answer,)> {
    let options_rep = options.as_ref().map(Resource::rep);
    let mut http = store.data_mut().http();
    let answer = http.handle(request, options);
    if let Some(rep) = options_rep {
        http.table.delete(Resource::<RequestOptions>::new_own(rep))?;
    }
    Ok((match answer {
        Ok(answer) => Ok(answer),
        Err(error) => Err(error.downcast()?),
    },))
}
