//! From wasmtime's error to a [`Fault`] that says which limit was hit, what the guest said last and where it was.

use std::fmt::{self, Write as _};
use std::time::Duration;

use plugbus_bus::{Fault, FaultKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{FrameInfo, PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::limiter::Limiter;
use crate::limits::Limits;
use crate::messaging::HeldTooMuch;
use crate::state::HANDLES_MAX;
use crate::text::{cut, prefix};

/// Most frames in a backtrace.
pub(crate) const FRAMES_MAX: usize = 64;
/// Most bytes of one frame, and of a fault's message.
const TEXT_BYTES_MAX: usize = 1 << 10;

/// What is needed to name a fault.
pub(crate) struct Context<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) stack_bytes: usize,
    pub(crate) limiter: &'a Limiter,
    pub(crate) stderr: Option<String>,
    /// The fuel and the time of the call that failed.
    pub(crate) budget: Budget,
}

/// What one call may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) fuel: u64,
    pub(crate) deadline: Duration,
}

impl Context<'_> {
    /// The fault behind an error of wasmtime.
    pub(crate) fn fault(self, error: &wasmtime::Error) -> Fault {
        let (kind, message) = self.name(error);
        Fault {
            kind,
            message: cut(&message, TEXT_BYTES_MAX).into_owned(),
            stderr: self.stderr,
            backtrace: error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default(),
        }
    }

    /// The fault of a call that was stopped from outside because its time was over while it waited for the host.
    pub(crate) fn deadline(self) -> Fault {
        let message = "the call took longer than its deadline, waiting in a host call";
        Fault { stderr: self.stderr, ..Fault::new(FaultKind::Deadline { limit: self.budget.deadline }, message) }
    }

    fn name(&self, error: &wasmtime::Error) -> (FaultKind, String) {
        let limits = self.limits;
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return match trap {
                Trap::OutOfFuel => (FaultKind::Fuel { limit: self.budget.fuel }, "the call used up its fuel".into()),
                Trap::Interrupt => {
                    let limit = self.budget.deadline;
                    (FaultKind::Deadline { limit }, "the call took longer than its deadline, computing".into())
                }
                Trap::StackOverflow => {
                    let limit_bytes = u64::try_from(self.stack_bytes).unwrap_or(u64::MAX);
                    (
                        FaultKind::Stack { limit_bytes },
                        "the guest's stack overflowed; does it recurse without end?".into(),
                    )
                }
                other => self.refused().unwrap_or_else(|| (FaultKind::Trap, other.to_string())),
            };
        }
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            return (FaultKind::Trap, format!("the guest called exit({})", exit.0));
        }
        if let Some(refused) = self.refused() {
            return refused;
        }
        if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
            return (FaultKind::Contract, "no room for another instance in the pool; raise instances_max".into());
        }
        if let Some(held) = error.downcast_ref::<HeldTooMuch>() {
            return (FaultKind::HostCall { limit_bytes: limits.hostcall_bytes }, held.to_string());
        }
        let message = format!("{:#}", error.root_cause());
        let full = matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full));
        if full || message.contains(TOO_MANY_HANDLES) {
            let message = "the guest holds too many resources of the host, or handles".into();
            return (FaultKind::Handles { limit: HANDLES_MAX.into() }, message);
        }
        if message.contains(HOSTCALL_FUEL) {
            let message = "the guest passed more to the host in one call than it may".into();
            return (FaultKind::HostCall { limit_bytes: limits.hostcall_bytes }, message);
        }
        (FaultKind::Contract, message)
    }

    /// The limit that refused memory or a table in this call, if one did.
    fn refused(&self) -> Option<(FaultKind, String)> {
        let limits = self.limits;
        if self.limiter.memory_denied {
            let message = "the guest wanted more memory than it may have".into();
            return Some((FaultKind::Memory { limit_bytes: limits.memory_bytes }, message));
        }
        if self.limiter.table_denied {
            let message = "the guest wanted larger tables than it may have".into();
            return Some((FaultKind::Table { limit: limits.table_elements }, message));
        }
        None
    }
}

/// wasmtime has no types for these errors; tests hold it to the texts.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";
const TOO_MANY_HANDLES: &str = "store handle limit exceeded";

/// One line for each frame: module and function. The names come from the guest: they are read here and not by wasmtime, which
/// would demangle them whatever it takes, and a few hundred bytes can stand for a terabyte.
fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    backtrace.frames().iter().take(FRAMES_MAX).map(frame).collect()
}

fn frame(frame: &FrameInfo) -> String {
    let module = frame.module().name().unwrap_or("<unknown>");
    let mut line = Line(String::new());
    let written = match frame.func_name() {
        Some(name) => write!(line, "{module}!").and_then(|()| write_function(&mut line, name)),
        None => write!(line, "{module}!<wasm function {}>", frame.func_index()),
    };
    // The only error there is: the line is full.
    if written.is_err() {
        line.0.push('…');
    }
    line.0
}

/// A name as it was in the source, where it is a Rust name of a sensible length; other names as they are.
fn write_function(line: &mut Line, name: &str) -> fmt::Result {
    match rustc_demangle::try_demangle(name) {
        Ok(demangled) if name.len() <= NAME_BYTES_MAX => write!(line, "{demangled}"),
        _ => line.write_str(name),
    }
}

/// Most bytes of a name that is demangled.
const NAME_BYTES_MAX: usize = 4 << 10;

/// A line that takes so much and no more.
struct Line(String);

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = prefix(text, TEXT_BYTES_MAX.saturating_sub(self.0.len()));
        self.0.push_str(fits);
        if fits.len() < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_lines_are_cut() {
        let line = |name: &str| {
            let mut line = Line(String::new());
            let written = write_function(&mut line, name);
            (line.0, written.is_ok())
        };
        assert_eq!(
            line("_ZN4core9panicking5panic17h0123456789abcdefE"),
            ("core::panicking::panic::h0123456789abcdef".into(), true)
        );
        assert_eq!(line("_RNvC6_123foo3bar"), ("123foo::bar".into(), true));
        assert_eq!(line("plain"), ("plain".into(), true));
        assert_eq!(line("_Z1fv"), ("_Z1fv".into(), true));
        let (long, whole) = line(&"ä".repeat(2000));
        assert!((TEXT_BYTES_MAX - 1..=TEXT_BYTES_MAX).contains(&long.len()) && !whole);
    }
}
