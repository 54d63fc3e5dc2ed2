//! The contract as Rust types, made from the WIT files.
//!
//! Exports are async: they run on a fiber that can be suspended. Imports are plain functions: both are quick and never wait.
//! Ownership is borrowing, so that an event is written into the guest's memory straight from the bus's own buffers.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "plugbus:plugin/plugin",
    ownership: Borrowing { duplicate_if_necessary: true },
    exports: { default: async },
});
