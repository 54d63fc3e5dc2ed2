//! plugbus sandbox.
