//! [`Admin`]: what the gateway asks of the host beside the bus.

/// The plugins and the journal of a host, as far as the gateway needs them. The facade implements it; a bus alone has none.
pub trait Admin: Send + Sync {}
