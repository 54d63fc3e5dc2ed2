//! The journal from outside: through the seam of the bus, on real files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod basics;
mod crash;
mod damage;
mod support;
