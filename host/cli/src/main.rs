//! The plugbus binary.
fn main() {}
