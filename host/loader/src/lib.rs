//! plugbus loader.
