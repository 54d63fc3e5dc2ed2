//! The tables under `[secrets]`, and `${secret:NAME}` in texts of the configuration.

use std::borrow::Cow;
use std::path::Path;

use plugbus_sandbox::{Origin, SECRETS_MAX, SecretGrant, SecretName, SecretSource};

use super::error::ManifestError;
use super::reader::{Section, Value, quoted};
use super::sections::parsed;

/// What stands for a secret in a text begins and ends so.
const BEGIN: &str = "${secret:";
const END: char = '}';

/// All secrets. `http` are the granted origins: a secret can go nowhere else.
pub(super) fn secrets(
    top: &Section<'_>,
    http: &[Origin],
    plugins_dir: &Path,
) -> Result<Vec<SecretGrant>, ManifestError> {
    let Some(table) = top.table("secrets")? else { return Ok(Vec::new()) };
    if table.len() > SECRETS_MAX {
        return Err(top.broken("secrets", format!("a table of at most {SECRETS_MAX} secrets")));
    }
    let mut secrets = Vec::new();
    for (name, value) in table {
        let parsed: SecretName = name.get_ref().parse().map_err(|error| {
            top.unexpected(
                "secrets",
                name.span(),
                format!("`{}`", quoted(name.get_ref())),
                format!("another name: {error}"),
            )
        })?;
        secrets.push(secret(top, parsed, value, http, plugins_dir)?);
    }
    Ok(secrets)
}

fn secret(
    top: &Section<'_>,
    name: SecretName,
    value: &Value<'_>,
    http: &[Origin],
    plugins_dir: &Path,
) -> Result<SecretGrant, ManifestError> {
    let table = value.get_ref().as_table().ok_or_else(|| {
        let found = format!("of type {} for `{name}`", value.get_ref().type_str());
        top.unexpected("secrets", value.span(), found, "a table with `env` or `file`, and `origins`".into())
    })?;
    let secret = Section::new(top.source(), "secrets", table, value.span())?;
    let source = match (secret.text("env")?, secret.text("file")?) {
        (Some(name), None) if !is_variable(name) => {
            return Err(secret.broken("env", "the name of a variable: letters, digits and `_`; not the value itself"));
        }
        (Some(name), None) => SecretSource::Env(name.to_owned()),
        (None, Some(file)) => SecretSource::File(plugins_dir.join(file)),
        (None, None) => return Err(secret.broken("env", "the name of a variable, or `file` in its place")),
        (Some(_), Some(_)) => return Err(secret.broken("file", "no such key beside `env`: a value has one place")),
    };
    let origins = parsed::<Origin>(&secret, "origins", "an origin")?;
    let expose = secret.boolean("expose")?.unwrap_or_default();
    if expose && !origins.is_empty() {
        return Err(secret.broken("origins", "no such key, because `expose` is true: the plugin may send it anywhere"));
    }
    if !expose && origins.is_empty() {
        return Err(secret.broken("origins", "the origins that may have it, such as [\"https://api.example.com\"]"));
    }
    for origin in &origins {
        if origin.scheme() == plugbus_sandbox::Scheme::Http && !origin.may_be_private() {
            return Err(
                secret.broken("origins", "https, or else `localhost` or an address: others on the way could read it")
            );
        }
        if !http.contains(origin) {
            let expected = format!("origins that are granted too; add `{origin}` to `http` under `[grants]`");
            return Err(secret.broken("origins", expected));
        }
    }
    Ok(SecretGrant { name, source, origins, expose })
}

/// Whether a text is a usual name of a variable.
fn is_variable(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// A text with placeholders in the place of each `${secret:NAME}`.
///
/// # Errors
/// What was found, and what was expected. The text is not in it: it may be a secret itself.
pub(super) fn expand<'a>(text: &'a str, secrets: &[SecretGrant]) -> Result<Cow<'a, str>, (String, String)> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after
            .split_once(END)
            .ok_or_else(|| (format!("a text with `{BEGIN}`"), format!("the name of a secret and `{END}` after it")))?;
        let Some(secret) = secrets.iter().find(|secret| secret.name.as_str() == name) else {
            let found = format!("a text with `{BEGIN}{}{END}`", quoted(name));
            return Err((found, "a secret that has a table of its own, such as `[secrets.token]`".into()));
        };
        expanded.push_str(before);
        expanded.push_str(&secret.placeholder());
        rest = after;
    }
    if expanded.is_empty() && rest.len() == text.len() {
        return Ok(Cow::Borrowed(text));
    }
    expanded.push_str(rest);
    Ok(Cow::Owned(expanded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_in_a_text_become_placeholders() {
        let source = SecretSource::Env("X".into());
        let secret = SecretGrant { name: "a".parse().unwrap(), source, origins: Vec::new(), expose: false };
        let placeholder = secret.placeholder();
        let expand = |text: &str| expand(text, std::slice::from_ref(&secret)).map(Cow::into_owned);
        for text in ["", "plain", "$secret:a}", "${a}", "${ secret:a}"] {
            assert_eq!(expand(text).unwrap(), text);
        }
        assert_eq!(expand("${secret:a}").unwrap(), placeholder);
        assert_eq!(
            expand("Bearer ${secret:a}, ${secret:a}.").unwrap(),
            format!("Bearer {placeholder}, {placeholder}.")
        );
        assert_eq!(expand("${secret:b}").unwrap_err().0, "a text with `${secret:b}`");
        assert_eq!(expand("hunter2 ${secret:a").unwrap_err().0, "a text with `${secret:`");
        assert!(expand("${secret:}").is_err() && expand("${secret:A}").is_err());
    }
}
