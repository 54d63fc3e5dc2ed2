//! Signatures by which a receiver knows that a request is ours: HMAC-SHA256, under the headers of Standard Webhooks
//! (<https://www.standardwebhooks.com>) or of GitHub's webhooks.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use plugbus_sdk::prelude::*;
use sha2::{Digest, Sha256};

/// Most secrets at one time: the new one and those that are on their way out.
const SECRETS_MAX: usize = 8;
/// What a secret of Standard Webhooks begins with; base64 follows.
const PREFIX: &str = "whsec_";
/// What stands for a secret that the host keeps from the plugin begins with this.
const PLACEHOLDER: &str = "plugbus-secret-";
/// Bytes of a key, by the specification.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Most bytes of a secret of GitHub's kind.
const TEXT_BYTES_MAX: usize = 1024;
/// Bytes of the digest that names a message: too many for two to meet.
const ID_BYTES: usize = 16;

/// The table `[config.sign]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignConfig {
    /// Under which headers.
    #[serde(default)]
    scheme: Scheme,
    /// The secrets, the newest first.
    #[serde(default)]
    secrets: Several,
    /// Environment variables (`[grants.env]`) that hold further ones, each one or, of Standard Webhooks, several with white
    /// space between.
    #[serde(default)]
    secrets_env: Several,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scheme {
    #[default]
    Standard,
    Github,
}

/// One text or a list of them. What serde says of a value of another type does not quote it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Several {
    One(String),
    Many(Vec<String>),
}

impl Default for Several {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Several {
    fn all(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// What signs requests.
pub(crate) enum Signer {
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`, with a signature for each secret.
    Standard(Vec<Hmac<Sha256>>),
    /// `x-hub-signature-256`.
    Github(Hmac<Sha256>),
}

impl Signer {
    /// Reads the secrets. Errors name the key and the number of a secret, and never show one.
    pub(crate) fn new(config: &SignConfig, env: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut secrets = config.secrets.all().to_vec();
        for name in config.secrets_env.all() {
            let value = env(name).ok_or_else(|| {
                format!(
                    "key `sign.secrets_env`: there is no variable `{}`; give it in `[grants.env]`",
                    name.escape_debug()
                )
            })?;
            match config.scheme {
                Scheme::Standard => secrets.extend(value.split_whitespace().map(str::to_owned)),
                // Any text may be one, white space included.
                Scheme::Github => secrets.push(value),
            }
        }
        if !(1..=SECRETS_MAX).contains(&secrets.len()) {
            return Err(format!("key `sign`: {} secrets; 1 to {SECRETS_MAX} are needed", secrets.len()));
        }
        let place = |position: usize| format!("key `sign`: secret {} of {}", position + 1, secrets.len());
        if let Some(position) = secrets.iter().position(|secret| secret.starts_with(PLACEHOLDER)) {
            let problem =
                "is one that the plugin uses and does not see; a signature needs `expose = true` in its `[secrets.…]`";
            return Err(format!("{} {problem}", place(position)));
        }
        match (config.scheme, secrets.as_slice()) {
            (Scheme::Standard, _) => {
                let key = |(position, secret): (usize, &String)| {
                    standard_key(secret).map_err(|problem| format!("{} {problem}", place(position)))
                };
                secrets.iter().enumerate().map(key).collect::<Result<_, _>>().map(Self::Standard)
            }
            (Scheme::Github, [secret]) if (1..=TEXT_BYTES_MAX).contains(&secret.len()) => {
                mac(secret.as_bytes()).map(Self::Github)
            }
            (Scheme::Github, [_]) => Err(format!("{} must have 1 to {TEXT_BYTES_MAX} bytes", place(0))),
            (Scheme::Github, _) => {
                Err("key `sign`: the header of `github` has place for one signature; name one secret".into())
            }
        }
    }

    /// The headers of a request sent at a time, in seconds since the Unix epoch.
    pub(crate) fn headers(&self, id: &str, time_s: u64, body: &[u8]) -> Vec<(&'static str, String)> {
        match self {
            Self::Standard(keys) => {
                let time = time_s.to_string();
                let sign = |key: &Hmac<Sha256>| {
                    format!("v1,{}", STANDARD.encode(digest(key, [id.as_bytes(), b".", time.as_bytes(), b".", body])))
                };
                let signatures: Vec<String> = keys.iter().map(sign).collect();
                vec![
                    ("webhook-id", id.to_owned()),
                    ("webhook-timestamp", time.clone()),
                    ("webhook-signature", signatures.join(" ")),
                ]
            }
            Self::Github(key) => vec![("x-hub-signature-256", format!("sha256={}", hex(&digest(key, [body]))))],
        }
    }
}

/// The id of a message that carries these events, named by source and id: the same at every attempt, and fit for a header
/// whatever an event calls itself.
pub(crate) fn message_id<'e>(events: impl Iterator<Item = (&'e str, &'e str)>) -> String {
    let mut digest = Sha256::new();
    for part in events.flat_map(|(source, id)| [source, id]) {
        // With its length before it, no part runs into the next.
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let digest = digest.finalize();
    format!("msg_{}", hex(digest.get(..ID_BYTES).unwrap_or(&digest)))
}

/// Seconds since the Unix epoch; 0 where the clock says that it is before that.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn standard_key(secret: &str) -> Result<Hmac<Sha256>, String> {
    let encoded = secret.strip_prefix(PREFIX).ok_or_else(|| format!("does not begin with `{PREFIX}`"))?;
    let key = STANDARD.decode(encoded).map_err(|_| format!("is no base64 behind `{PREFIX}`"))?;
    if !KEY_BYTES.contains(&key.len()) {
        return Err(format!("has {} bytes; {} to {} are allowed", key.len(), KEY_BYTES.start(), KEY_BYTES.end()));
    }
    mac(&key)
}

fn mac(key: &[u8]) -> Result<Hmac<Sha256>, String> {
    Hmac::new_from_slice(key).map_err(|error| format!("key `sign`: {error}"))
}

fn digest<const PARTS: usize>(key: &Hmac<Sha256>, parts: [&[u8]; PARTS]) -> Vec<u8> {
    let mut mac = key.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signer(config: Value, env: &[(&str, &str)]) -> Result<Signer, String> {
        let config: SignConfig = serde_json::from_value(config).map_err(|error| error.to_string())?;
        Signer::new(&config, |name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    fn signed(config: Value, env: &[(&str, &str)], body: &[u8]) -> Vec<(&'static str, String)> {
        signer(config, env).unwrap_or_else(|error| panic!("{error}")).headers(ID, 1_614_265_330, body)
    }

    /// The vector that the libraries of Standard Webhooks test themselves with.
    #[test]
    fn the_published_vector_of_standard_webhooks_is_signed_as_published() {
        let expected = [("webhook-id", ID), ("webhook-timestamp", "1614265330"), ("webhook-signature", SIGNATURE)];
        for secrets in [json!([SECRET]), json!(SECRET)] {
            let found = signed(json!({ "secrets": secrets }), &[], BODY);
            assert_eq!(found.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>(), expected);
        }
    }

    /// The values by which GitHub's documentation lets a receiver test itself.
    #[test]
    fn the_published_vector_of_github_is_signed_as_published() {
        let config = json!({ "scheme": "github", "secrets": ["It's a Secret to Everybody"] });
        let hex = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(signed(config, &[], b"Hello, World!"), [("x-hub-signature-256", format!("sha256={hex}"))]);
    }

    #[test]
    fn each_secret_signs_while_one_takes_the_place_of_another() {
        let other = format!("whsec_{}", STANDARD.encode([7; 64]));
        let both = signed(json!({ "secrets": [other], "secrets_env": "OLD" }), &[("OLD", SECRET)], BODY);
        let (first, second) = both[2].1.split_once(' ').unwrap();
        assert_eq!(second, SIGNATURE);
        assert!(first.starts_with("v1,") && first != second);
        let two = format!(" {other}\n{SECRET} ");
        assert_eq!(signed(json!({ "secrets_env": ["BOTH"] }), &[("BOTH", two.as_str())], BODY), both);
    }

    #[test]
    fn a_wrong_secret_is_named_by_its_number_and_not_shown() {
        let short = format!("whsec_{}", STANDARD.encode([1; 23]));
        let table = [
            (json!({}), "key `sign`: 0 secrets; 1 to 8 are needed"),
            (json!({ "secrets": vec![SECRET; 9] }), "key `sign`: 9 secrets; 1 to 8 are needed"),
            (json!({ "secrets": [SECRET, "hunter2"] }), "key `sign`: secret 2 of 2 does not begin with `whsec_`"),
            (json!({ "secrets": ["whsec_hunter2!"] }), "key `sign`: secret 1 of 1 is no base64 behind `whsec_`"),
            (json!({ "secrets": short }), "key `sign`: secret 1 of 1 has 23 bytes; 24 to 64 are allowed"),
            (
                json!({ "secrets_env": "hunter2" }),
                "key `sign.secrets_env`: there is no variable `hunter2`; give it in `[grants.env]`",
            ),
            (
                json!({ "scheme": "github", "secrets": "plugbus-secret-KEY-0123" }),
                "key `sign`: secret 1 of 1 is one that the plugin uses and does not see; a signature needs `expose = true` in its `[secrets.…]`",
            ),
            (json!({ "scheme": "github", "secrets": "" }), "key `sign`: secret 1 of 1 must have 1 to 1024 bytes"),
            (
                json!({ "scheme": "github", "secrets": ["a", "b"] }),
                "key `sign`: the header of `github` has place for one signature; name one secret",
            ),
            (json!({ "scheme": "sha1" }), "unknown variant `sha1`, expected `standard` or `github`"),
        ];
        for (config, expected) in table {
            let error = signer(config, &[]).err().unwrap();
            assert_eq!(error, expected);
        }
        let error = signer(json!({ "secrets": { "a": "hunter2" } }), &[]).err().unwrap();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_message_has_the_same_id_at_every_attempt_and_no_other_has_it() {
        let id = |events: &[(&str, &str)]| message_id(events.iter().copied());
        let one = id(&[("a", "bc")]);
        assert_eq!(one, id(&[("a", "bc")]));
        assert!(one.len() == 36 && one.strip_prefix("msg_").unwrap().bytes().all(|byte| byte.is_ascii_hexdigit()));
        for other in [&[("ab", "c")][..], &[("a", "bc"), ("a", "bc")], &[("", "abc")], &[]] {
            assert_ne!(one, id(other));
        }
    }
}
