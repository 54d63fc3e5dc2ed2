//! Origins of HTTP grants, endpoints of TCP grants.

use plugbus::sandbox::{Endpoint, Host, Origin, OriginError};

use crate::message;

/// An origin has one way to be written, and is the same however a request names it; so has an endpoint.
pub fn origin(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<Endpoint>() {
        Ok(endpoint) => assert_eq!(endpoint.to_string().parse::<Endpoint>().as_ref(), Ok(&endpoint), "{text}"),
        Err(error) => message::check(&error.to_string()),
    }
    let origin: Origin = match text.parse() {
        Ok(origin) => origin,
        Err(error) => {
            let error: OriginError = error;
            return message::check(&error.to_string());
        }
    };
    let written = origin.to_string();
    assert_eq!(written.parse::<Origin>().as_ref(), Ok(&origin), "{text}");
    let (_, authority) = written.split_once("://").unwrap();
    assert_eq!(Origin::from_authority(origin.scheme(), authority).as_ref(), Ok(&origin), "{text}");
    // What looks like an address to a resolver must be one to us: a name that turns into an address goes past the check.
    if let Host::Name(name) = origin.host() {
        assert!(name.is_ascii() && !name.contains(['/', '@', ':', '*', '%']), "{name}");
        let last = name.rsplit('.').next().unwrap_or_default();
        assert!(!last.bytes().all(|byte| byte.is_ascii_digit()) && !last.starts_with("0x"), "{name}");
        assert_eq!(origin.may_be_private(), name == "localhost");
    }
}
