//! From wasmtime's error to a [`Fault`] that says which limit was hit, what the guest said last and where it was.

use std::time::Duration;

use plugbus_bus::{Fault, FaultKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::limiter::Limiter;
use crate::limits::Limits;
use crate::text::cut;

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
        let message = format!("{:#}", error.root_cause());
        if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) {
            let message = "the guest holds too many resources of the host".into();
            return (FaultKind::HostCall { limit_bytes: limits.hostcall_bytes }, message);
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

/// wasmtime has no type for this error; a test holds it to the text.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

/// One line for each frame: wasmtime prints a frame's name, demangled, and its place, where it is known, on lines below.
fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let mut frames: Vec<String> = Vec::new();
    for line in backtrace.to_string().lines().skip(1).map(str::trim) {
        match (line.strip_prefix("at "), frames.last_mut()) {
            (Some(place), Some(frame)) => {
                frame.push_str(" at ");
                frame.push_str(place);
            }
            _ => frames.push(frame_name(line)),
        }
    }
    frames.retain(|frame| !frame.starts_with("note: "));
    frames.truncate(FRAMES_MAX);
    frames.iter_mut().for_each(|frame| *frame = cut(frame, TEXT_BYTES_MAX).into_owned());
    frames
}

/// Takes the number and the offset off: `0:   0x53 - plugin.wasm!f` and `- f` become `plugin.wasm!f` and `f`.
fn frame_name(line: &str) -> String {
    let line = match line.split_once(": ") {
        Some((number, rest)) if number.bytes().all(|b| b.is_ascii_digit()) => rest.trim_start(),
        _ => line,
    };
    let line = match line.split_once(" - ") {
        Some((offset, rest)) if offset.starts_with("0x") => rest,
        _ => line,
    };
    line.strip_prefix("- ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_stripped_to_names() {
        assert_eq!(frame_name("0:   0x53 - plugin.wasm!core::f"), "plugin.wasm!core::f");
        assert_eq!(frame_name("12: <unknown>!g"), "<unknown>!g");
        assert_eq!(frame_name("- <alloc::Vec<T> as Clone>::clone"), "<alloc::Vec<T> as Clone>::clone");
        assert_eq!(frame_name("name: with colon"), "name: with colon");
    }
}
