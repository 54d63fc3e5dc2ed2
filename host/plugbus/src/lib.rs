//! plugbus plugbus.
