//! The contract with a plugin: names of its world.

/// The world of a plugin.
pub const WORLD: &str = "plugbus:plugin/plugin@0.1.0";
/// The interface that a plugin exports.
pub const SUBSCRIBER: &str = "plugbus:plugin/subscriber@0.1.0";
