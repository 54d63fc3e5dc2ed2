//! Bad guests, one at a time, beside a healthy plugin that has events before, during and after. What each test sees: the
//! guest is refused, fails or is told no, as its case says; the host says so with kind and limit; every event of the healthy
//! plugin is handled exactly once; memory goes back; the host loads and runs what comes next.

mod case;
mod files;
mod handle;
mod init;
mod messaging;
mod publish;
mod run;
mod special;
mod text;

/// One test for each case, named for what the guest does.
macro_rules! cases {
    ($($name:ident => $case:expr;)*) => {
        $(#[test]
        fn $name() {
            $crate::bad::run::run($crate::support::alone::this_test!($name), $case);
        })*
    };
}
use cases;
