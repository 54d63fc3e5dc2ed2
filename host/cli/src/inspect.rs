//! `plugbus inspect`: what a component is and needs.

use std::process::ExitCode;

use plugbus::inspect::{Inspect, InspectReport};
use plugbus::sandbox::{Need, NeededImport, Producer};

use crate::args::{self, Global};
use crate::failure::{Failure, Outcome};
use crate::{compiled, output};

/// Looks at a component and prints what was seen.
pub(crate) fn inspect(global: &Global, args: &args::Inspect) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::doing("cannot start the runtime", &error))?;
    let run = async |cache_dir| {
        let (wasm, manifest, start) = (args.file.clone(), args.manifest.clone(), !args.no_start);
        plugbus::inspect::run(Inspect { wasm, manifest, start, cache_dir }).await
    };
    let report = runtime.block_on(compiled::with_cache(global, run))??;
    if global.json {
        output::json(&report)?;
    } else {
        output::line(&in_words(&report))?;
    }
    Ok(if report.loads() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_words(report: &InspectReport) -> String {
    let anatomy = &report.anatomy;
    let filters = |filters: &[plugbus::bus::Filter]| filters.iter().map(ToString::to_string).collect::<Vec<_>>();
    let missing = report.missing_grants.iter().map(|missing| {
        format!(
            "{} (under [grants] in the manifest, for {})",
            missing.line,
            output::printable(&missing.imports.join(", "))
        )
    });
    output::fields(&[
        ("plugin", output::printable(&report.name)),
        ("size", format!("{} bytes, {} core modules", anatomy.size_bytes, anatomy.core_modules)),
        ("sha256", anatomy.sha256.clone()),
        ("contract", anatomy.contract.clone().unwrap_or_default()),
        ("refused", output::printable(anatomy.refused.as_deref().unwrap_or_default())),
        ("language", anatomy.language.unwrap_or("not told").to_owned()),
        ("made by", anatomy.producers.iter().map(producer).collect::<Vec<_>>().join("\n")),
        ("imports", anatomy.imports.iter().map(import).collect::<Vec<_>>().join("\n")),
        ("exports", output::printable(&anatomy.exports.join("\n"))),
        ("manifest", report.manifest.as_ref().map_or_else(|| "none".into(), |path| path.display().to_string())),
        ("missing", missing.collect::<Vec<_>>().join("\n")),
        ("filters", report.filters.as_deref().map(|given| filters(given).join(", ")).unwrap_or_default()),
        ("publish", filters(&report.publish).join(", ")),
        ("not started", output::printable(report.not_started.as_deref().unwrap_or_default())),
    ])
}

fn producer(producer: &Producer) -> String {
    output::printable(
        format!("{} {} ({})", producer.name, producer.version, producer.field).replace("  ", " ").as_str(),
    )
}

fn import(import: &NeededImport) -> String {
    let name = output::printable(&import.name);
    match &import.need {
        Need::Nothing => name,
        Need::Grant(line) => format!("{name}  needs {line}"),
        Need::OtherVersion(have) => format!("{name}  not here: this host has {have}"),
        Need::Unknown => format!("{name}  not here"),
    }
}
