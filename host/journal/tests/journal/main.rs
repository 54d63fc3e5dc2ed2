//! The journal from outside: through the seam of the bus, on real files.

mod basics;
mod support;
