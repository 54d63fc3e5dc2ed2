//! Bytes that were put into the plugins folder.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use plugbus::sandbox::{CompileError, Limits, LogLine, LogSink, PluginSpec, Pooling, Sandbox, SandboxConfig};
use tokio::runtime::{Builder, Runtime};

/// Most bytes in the text of a refusal: the validator's own words may be long, and have line breaks.
const MESSAGE_BYTES_MAX: usize = 8 << 10;

/// Bytes are a plugin or are refused with a reason; the compiler never fails in a way of its own, and a guest that begins to
/// run stays within its limits.
pub fn component(bytes: &[u8]) {
    static PLACE: LazyLock<(Runtime, Sandbox)> = LazyLock::new(place);
    let (runtime, sandbox) = &*PLACE;
    runtime.block_on(async {
        let component = match sandbox.compile(bytes.to_vec().into()).await {
            Ok(component) => component,
            Err(error @ CompileError::Compiler(_)) => panic!("{error}"),
            Err(error) => return check(&error.to_string()),
        };
        assert_eq!(component.info().size_bytes, bytes.len());
        let template = match component.link(spec()) {
            Ok(template) => template,
            Err(error) => return check(&error.to_string()),
        };
        if let Err(error) = template.start().await {
            check(&error.into_fault().to_string());
        }
    });
}

fn check(message: &str) {
    assert!((1..=MESSAGE_BYTES_MAX).contains(&message.len()), "{message:.200}");
}

fn place() -> (Runtime, Sandbox) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let config = SandboxConfig { component_bytes_max: 1 << 20, pooling: Pooling::Off, ..SandboxConfig::default() };
    (runtime, Sandbox::new(config).unwrap())
}

/// Limits so low that nothing takes long.
fn spec() -> PluginSpec {
    let limits = Limits {
        fuel_init: 100_000,
        deadline_init: Duration::from_secs(1),
        memory_bytes: 4 << 20,
        ..Limits::default()
    };
    PluginSpec { limits, log: Arc::new(Silence), ..PluginSpec::new("p") }
}

/// Drops every line: a guest's log is not what is looked at.
struct Silence;

impl LogSink for Silence {
    fn log(&self, _: &LogLine<'_>) {}
}
