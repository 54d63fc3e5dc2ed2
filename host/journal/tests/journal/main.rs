//! The journal from outside: through the seam of the bus, on real files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs, unreachable_pub)]

mod basics;
mod crash;
mod damage;
mod faults;
mod model;
mod repair;
mod retention;
mod support;
