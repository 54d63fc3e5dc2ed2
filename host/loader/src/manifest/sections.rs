//! Decodes each table of the manifest into types that cannot be wrong.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use plugbus_bus::{Filter, OrderingKey, RetryPolicy, SourceFilter, WhenFull};
use plugbus_sandbox::{DirGrant, DirMode, Endpoint, Grants, Limits, Origin, SecretGrant};

use super::error::ManifestError;
use super::keys::GRANTS_MAX;
use super::reader::{Section, Value, described, quoted};
use super::{Manifest, json, secrets};
use crate::supervise::SupervisionPolicy;

/// Most bytes in a variable of `[grants.env]`, name and value each.
const ENV_BYTES_MAX: usize = 32 << 10;

/// The whole file.
pub(super) fn manifest(top: &Section<'_>, plugins_dir: &Path) -> Result<Manifest, ManifestError> {
    let mut manifest = Manifest { filters: filters(top, "filters")?, publish: publish(top)?, ..Manifest::default() };
    set(&mut manifest.settings.concurrency, top.integer("instances")?, nonzero_u32);
    set(&mut manifest.fresh, top.boolean("fresh")?, |fresh| fresh);
    manifest.tick = top.integer("tick_ms")?.map(Duration::from_millis);
    manifest.durable = top.boolean("durable")?;
    set(&mut manifest.start, top.start("start")?, |start| start);
    manifest.settings.ordering_key = ordering_key(top)?;
    manifest.settings.source = top.text("source")?.map(SourceFilter::new);
    if let Some(queue) = top.section("queue", "queue")? {
        read_queue(&mut manifest, &queue)?;
    }
    if let Some(retry) = top.section("retry", "retry")? {
        read_retry(&mut manifest.settings.retry, &retry)?;
    }
    if let Some(limits) = top.section("limits", "limits")? {
        read_limits(&mut manifest.limits, &limits)?;
    }
    manifest.settings.outbox = manifest.limits.outbox();
    manifest.settings.state = manifest.limits.state();
    if let Some(supervision) = top.section("supervision", "supervision")? {
        read_supervision(&mut manifest.supervision, &supervision)?;
    }
    let grants = top.section("grants", "grants")?;
    if let Some(grants) = &grants {
        manifest.grants = read_grants(grants, plugins_dir)?;
    }
    manifest.grants.secrets = secrets::secrets(top, &manifest.grants.http, plugins_dir)?;
    if let Some(grants) = &grants {
        manifest.grants.env = variables(grants, &manifest.grants.secrets)?;
    }
    if let Some(config) = top.table("config")? {
        manifest.config_json = json::object(top.source(), config, &manifest.grants.secrets)?;
    }
    Ok(manifest)
}

fn filters(top: &Section<'_>, key: &str) -> Result<Vec<Filter>, ManifestError> {
    let parse = |value: &Value<'_>| {
        let text = value.get_ref().as_str().ok_or_else(|| top.wrong(key, value))?;
        Filter::parse(text).map_err(|error| {
            let found = described(value.get_ref());
            top.unexpected(key, value.span(), found, format!("a topic filter, but this {error}"))
        })
    };
    top.array(key)?.iter().map(parse).collect()
}

fn publish(top: &Section<'_>) -> Result<Vec<Filter>, ManifestError> {
    let filters = filters(top, "publish")?;
    match filters.iter().position(Filter::is_host) {
        None => Ok(filters),
        Some(_) => Err(top.broken("publish", "topics outside of `plugbus.`, which only the host publishes")),
    }
}

fn ordering_key(top: &Section<'_>) -> Result<Option<OrderingKey>, ManifestError> {
    let Some(text) = top.text("ordering_key")? else { return Ok(None) };
    let key = match text {
        "subject" => OrderingKey::Subject,
        "source" => OrderingKey::Source,
        "topic" => OrderingKey::Topic,
        _ => match text.strip_prefix("extension:") {
            Some(name) if extension_name_fits(name) => OrderingKey::Extension(name.into()),
            _ => {
                let expected = "subject, source, topic or extension:NAME, the name in 1 to 20 of a-z and 0-9";
                return Err(top.broken("ordering_key", expected));
            }
        },
    };
    Ok(Some(key))
}

fn extension_name_fits(name: &str) -> bool {
    (1..=plugbus_bus::event::EXTENSION_NAME_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn read_queue(manifest: &mut Manifest, queue: &Section<'_>) -> Result<(), ManifestError> {
    let settings = &mut manifest.settings;
    set(&mut settings.queue_events_max, queue.integer("events_max")?, |n| {
        NonZeroUsize::new(size(n)).unwrap_or(NonZeroUsize::MIN)
    });
    set(&mut settings.queue_bytes_max, queue.integer("bytes_max")?, size);
    set(&mut settings.dead_letter_drops, queue.boolean("dead_letter_drops")?, |keep| keep);
    let wait = queue.integer("wait_max_ms")?.map(Duration::from_millis);
    let policy = match queue.choice("when_full")? {
        Some("drop_oldest") => Some(WhenFull::DropOldest),
        Some("drop_newest") => Some(WhenFull::DropNewest),
        Some("refuse") => Some(WhenFull::Refuse),
        Some("spill") => Some(WhenFull::Spill),
        _ => None,
    };
    let durable = &mut manifest.durable;
    match (policy, *durable) {
        (Some(WhenFull::Spill), Some(false)) => {
            return Err(queue.broken("when_full", "another word than \"spill\", because `durable` is false"));
        }
        (Some(WhenFull::Spill), None) => *durable = Some(true),
        (Some(WhenFull::Spill) | None, _) | (Some(_), Some(false) | None) => {}
        (Some(_), Some(true)) => {
            return Err(queue.broken("when_full", "\"spill\" or nothing, because `durable` is true"));
        }
    }
    settings.when_full = match (policy, wait) {
        (Some(_), Some(_)) => {
            return Err(queue.broken("wait_max_ms", "no such key, because `when_full` is not \"wait\""));
        }
        (Some(policy), None) => policy,
        (None, Some(max)) => WhenFull::Wait { max },
        (None, None) => WhenFull::default(),
    };
    Ok(())
}

fn read_retry(policy: &mut RetryPolicy, retry: &Section<'_>) -> Result<(), ManifestError> {
    set(&mut policy.attempts, retry.integer("attempts")?, nonzero_u32);
    set(&mut policy.backoff_min, retry.integer("backoff_min_ms")?, Duration::from_millis);
    set(&mut policy.backoff_max, retry.integer("backoff_max_ms")?, Duration::from_millis);
    set(&mut policy.retry_after_max, retry.integer("retry_after_max_ms")?, Duration::from_millis);
    in_order(retry, ("backoff_min_ms", policy.backoff_min), ("backoff_max_ms", policy.backoff_max))
}

fn read_limits(limits: &mut Limits, table: &Section<'_>) -> Result<(), ManifestError> {
    set(&mut limits.fuel_per_event, table.integer("fuel_per_event")?, |n| n);
    set(&mut limits.fuel_init, table.integer("fuel_init")?, |n| n);
    set(&mut limits.deadline, table.integer("deadline_ms")?, Duration::from_millis);
    set(&mut limits.deadline_init, table.integer("deadline_init_ms")?, Duration::from_millis);
    set(&mut limits.memory_bytes, table.integer("memory_bytes")?, |n| n);
    set(&mut limits.table_elements, table.integer("table_elements")?, |n| n);
    set(&mut limits.core_instances, table.integer("core_instances")?, count);
    set(&mut limits.tables, table.integer("tables")?, count);
    set(&mut limits.memories, table.integer("memories")?, count);
    set(&mut limits.hostcall_bytes, table.integer("hostcall_bytes")?, |n| n);
    set(&mut limits.publishes_max, table.integer("publishes_max")?, size);
    set(&mut limits.publish_bytes, table.integer("publish_bytes")?, size);
    set(&mut limits.log_bytes, table.integer("log_bytes")?, size);
    set(&mut limits.reply_bytes, table.integer("reply_bytes")?, size);
    set(&mut limits.error_bytes, table.integer("error_bytes")?, size);
    set(&mut limits.http_requests_max, table.integer("http_requests_max")?, count);
    set(&mut limits.tcp_connects_max, table.integer("tcp_connects_max")?, count);
    set(&mut limits.tcp_sockets_max, table.integer("tcp_sockets_max")?, count);
    set(&mut limits.kv_bytes, table.integer("kv_bytes")?, size);
    set(&mut limits.kv_value_bytes, table.integer("kv_value_bytes")?, size);
    set(&mut limits.kv_key_bytes, table.integer("kv_key_bytes")?, size);
    Ok(())
}

fn read_supervision(policy: &mut SupervisionPolicy, table: &Section<'_>) -> Result<(), ManifestError> {
    set(&mut policy.budget, table.integer("budget")?, nonzero_u32);
    set(&mut policy.window, table.integer("window_ms")?, Duration::from_millis);
    set(&mut policy.suspend_min, table.integer("suspend_min_ms")?, Duration::from_millis);
    set(&mut policy.suspend_max, table.integer("suspend_max_ms")?, Duration::from_millis);
    in_order(table, ("suspend_min_ms", policy.suspend_min), ("suspend_max_ms", policy.suspend_max))
}

fn read_grants(grants: &Section<'_>, plugins_dir: &Path) -> Result<Grants, ManifestError> {
    let mut dirs: Vec<DirGrant> = Vec::new();
    for value in grants.array("dirs")? {
        let dir = dir_grant(grants, value, plugins_dir)?;
        if dirs.iter().any(|other| other.guest == dir.guest) {
            let found = quoted(&dir.guest);
            let expected = "a guest path that no other of the folders has".into();
            return Err(grants.unexpected("dirs", value.span(), found, expected));
        }
        dirs.push(dir);
    }
    Ok(Grants {
        config: grants.boolean("config")?.unwrap_or_default(),
        kv: grants.boolean("kv")?.unwrap_or_default(),
        http: parsed::<Origin>(grants, "http", "an origin")?,
        tcp: parsed::<Endpoint>(grants, "tcp", "a host and port")?,
        dirs,
        // What they need of the secrets comes later.
        ..Grants::default()
    })
}

/// The elements of an array, each parsed from its text.
pub(super) fn parsed<T: FromStr<Err: Display>>(
    section: &Section<'_>,
    key: &str,
    what: &str,
) -> Result<Vec<T>, ManifestError> {
    let parse = |value: &Value<'_>| {
        let text = value.get_ref().as_str().ok_or_else(|| section.wrong(key, value))?;
        text.parse::<T>().map_err(|error| {
            let found = described(value.get_ref());
            section.unexpected(key, value.span(), found, format!("{what}, but {error}"))
        })
    };
    section.array(key)?.iter().map(parse).collect()
}

fn variables(grants: &Section<'_>, secrets: &[SecretGrant]) -> Result<BTreeMap<String, String>, ManifestError> {
    let Some(env) = grants.table("env")? else { return Ok(BTreeMap::new()) };
    if env.len() > GRANTS_MAX {
        return Err(grants.broken("env", format!("a table of at most {GRANTS_MAX} variables")));
    }
    let mut variables = BTreeMap::new();
    for (name, value) in env {
        let text = name.get_ref();
        if text.is_empty() || text.len() > ENV_BYTES_MAX || text.contains(['=', '\0']) {
            let expected = "names that are not empty and have neither `=` nor NUL".into();
            return Err(grants.unexpected("env", name.span(), format!("`{}`", quoted(text)), expected));
        }
        let span = || value.span();
        // The value is not quoted: it may be a secret.
        match value.get_ref().as_str() {
            Some(value) if value.len() <= ENV_BYTES_MAX && !value.contains('\0') => {
                let expanded = secrets::expand(value, secrets)
                    .map_err(|(found, expected)| grants.unexpected("env", span(), found, expected))?;
                variables.insert(text.to_string(), expanded.into_owned());
            }
            _ => {
                let found = format!("of type {} for `{}`", value.get_ref().type_str(), quoted(text));
                let expected = format!("text of at most {ENV_BYTES_MAX} bytes without NUL");
                return Err(grants.unexpected("env", value.span(), found, expected));
            }
        }
    }
    Ok(variables)
}

fn dir_grant(grants: &Section<'_>, value: &Value<'_>, plugins_dir: &Path) -> Result<DirGrant, ManifestError> {
    let table = value.get_ref().as_table().ok_or_else(|| grants.wrong("dirs", value))?;
    let dir = Section::new(grants.source(), "grants.dirs", table, value.span())?;
    let host = dir.required("host", dir.text("host")?)?;
    let guest = dir.required("guest", dir.text("guest")?)?;
    let plain = |part: &str| part != ".." && part != ".";
    if !guest.starts_with('/') || !guest.split('/').all(plain) {
        return Err(dir.broken("guest", "an absolute path without `.` and `..`, for example \"/data\""));
    }
    let mode = match dir.choice("mode")? {
        Some("read-write") => DirMode::ReadWrite,
        _ => DirMode::ReadOnly,
    };
    Ok(DirGrant { host: plugins_dir.join(host), guest: guest.to_owned(), mode })
}

/// Refuses a lower bound over its upper bound, at the place of whichever is written.
fn in_order(
    table: &Section<'_>,
    (min_key, min): (&str, Duration),
    (max_key, max): (&str, Duration),
) -> Result<(), ManifestError> {
    if min <= max {
        return Ok(());
    }
    Err(table.broken(min_key, format!("at most `{max_key}`, which is {}", max.as_millis())))
}

fn set<S, T>(place: &mut T, value: Option<S>, convert: impl FnOnce(S) -> T) {
    if let Some(value) = value {
        *place = convert(value);
    }
}

// The bounds of the keys keep these in range; on a host with a smaller `usize` the largest one is what was meant.
fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
fn nonzero_u32(number: u64) -> NonZeroU32 {
    NonZeroU32::new(count(number)).unwrap_or(NonZeroU32::MIN)
}
