//! One behaviour, every language: the guests of `tests/conformance` in the real host. What each must do is in the README there;
//! `rows` has a function for each row of its table.
//!
//! A language is one line in [`languages!`]. Its guest is `target/guests/conformance/<name>.wasm`, which `cargo xtask guests` builds.

mod guest;
mod memory;
mod rows;

/// Makes the whole suite for each language: a module with a test for each row. `tools` is what `cargo xtask guests` calls the
/// toolchain, and `trace` a text that the log has of an exception where the language tells where it happened.
macro_rules! languages {
    ($($name:ident: tools $tools:literal, trace $trace:expr;)*) => {
        $(mod $name {
            use crate::support::alone::{alone, this_test};
            use super::guest::{Language, Warm};
            use super::{memory, rows};

            static WARM: Warm = Warm::const_new();
            static LANGUAGE: Language =
                Language { name: stringify!($name), tools: $tools, trace: $trace, warm: &WARM };

            languages!(rows: a_good_event, bad_json, a_retry, a_reject, an_exception, a_denied_publish, publishes_over_the_limit,
                a_request, no_config, a_config, unicode, an_empty_body, a_large_body, a_binary_body, a_log_line, a_mixed_stream);

            #[test]
            fn ten_thousand_events_in_flat_memory() {
                let test = this_test!(ten_thousand_events_in_flat_memory);
                if LANGUAGE.is_there() {
                    alone(test, memory::ten_thousand_events_in_flat_memory(&LANGUAGE));
                }
            }
        })*
    };
    (rows: $($row:ident),*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $row() {
            if LANGUAGE.is_there() {
                rows::$row(&LANGUAGE).await;
            }
        })*
    };
}

languages! {
    rust: tools "rust", trace None;
    js: tools "js", trace Some("at c.exception");
    ts: tools "js", trace Some("at handle");
    python: tools "python", trace Some("in exception");
    c: tools "c", trace None;
    go: tools "go", trace None;
}
