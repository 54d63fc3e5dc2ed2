//! Logging: lines go to the plugin's log on the host.
//!
//! ```
//! use plugbus_sdk::prelude::*;
//!
//! log::info!("{} of {} events", 3, 7);
//! log::warn!("the queue is nearly full");
//! ```
//!
//! The host takes at most 16 KiB of log for one event by default; what is over is cut and counted.

use std::fmt;

use crate::host;

/// How serious a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Values of variables and the flow of control.
    Trace,
    /// For somebody who looks for a mistake.
    Debug,
    /// For somebody who watches the program.
    Info,
    /// Something that may become a problem.
    Warn,
    /// Something that went wrong.
    Error,
    /// The plugin cannot go on.
    Critical,
}

/// Writes one line. The macros of this module are the shorter way. `context` names the part of the program it comes from.
pub fn write(level: Level, context: &str, message: fmt::Arguments<'_>) {
    // A constant text, the usual case for short lines, is passed on without a copy.
    match message.as_str() {
        Some(text) => host::log(level, context, text),
        None => host::log(level, context, &message.to_string()),
    }
}

macro_rules! level_macro {
    ($name:ident, $hidden:ident, $level:ident, $d:tt) => {
        #[doc = concat!("Logs a line at level [`", stringify!($level), "`](crate::log::Level::", stringify!($level), "), formatted as by `format!`.")]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $hidden {
            ($d($d arguments:tt)*) => {
                $crate::log::write($crate::log::Level::$level, ::std::module_path!(), ::std::format_args!($d($d arguments)*))
            };
        }
        #[doc(inline)]
        pub use $hidden as $name;
    };
}

level_macro!(trace, __log_trace, Trace, $);
level_macro!(debug, __log_debug, Debug, $);
level_macro!(info, __log_info, Info, $);
level_macro!(warn, __log_warn, Warn, $);
level_macro!(error, __log_error, Error, $);
level_macro!(critical, __log_critical, Critical, $);
