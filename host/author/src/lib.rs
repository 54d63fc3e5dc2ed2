//! What an author of a plugin works with: a new project, its build, its samples, and a live host that follows the source.
//!
//! ```text
//! create ──► a folder: plugbus.toml, source, NAME.toml, events/, a test, third_party/plugbus (SDK and contract)
//! build  ──► NAME.wasm beside NAME.toml, by the tools of the language
//! samples ─► events/*.json, with what is expected of each
//! dev    ──► build, load into a host in this process, watch, build again, swap
//! ```
//!
//! Nothing is printed here: `dev` and `build` tell a callback what happens.

mod build;
mod dev;
mod language;
mod project;
mod samples;
mod scaffold;
mod stamps;
mod template;

pub use build::{BuildError, Built, build};
pub use dev::{Dev, DevError, Happened, dev};
pub use language::Language;
pub use project::{BUILD_FILE, Project, ProjectError};
pub use samples::{Expected, Sample, SampleError, read as samples};
pub use scaffold::{CreateError, Created, create};
