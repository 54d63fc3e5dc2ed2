//! The samples of a project, one after the other on one instance.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use plugbus::check::{CheckReport, Checker};
use plugbus_author::Expected;
use serde::Serialize;

use super::{component, in_words, not_run};
use crate::args::{self, Global};
use crate::failure::{Failure, Outcome};
use crate::{compiled, output};

/// What became of one sample.
#[derive(Serialize)]
struct Checked<'a> {
    sample: &'a Path,
    expected: Expected,
    as_expected: bool,
    #[serde(flatten)]
    report: CheckReport,
}

/// Runs every sample and prints what became of it; what did not end as it should is shown whole.
pub(super) fn check(global: &Global, args: &args::Check) -> Outcome {
    if !args.attributes.is_empty() {
        return Err(Failure::usage(
            "--content-type, --source, --subject and --ext go with --topic: samples have their own",
        ));
    }
    let wasm = component(args)?;
    let samples = plugbus_author::samples(&args.file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::doing("cannot start the runtime", &error))?;
    let mut unexpected = 0;
    runtime.block_on(async {
        let start = async |cache_dir| Checker::start(&wasm, args.manifest.clone(), cache_dir).await;
        let mut checker = compiled::with_cache(global, start).await?.map_err(|error| not_run(&error))?;
        for sample in &samples {
            let report = checker.event(sample.event.clone()).await.map_err(|error| not_run(&error))?;
            let as_expected = sample.expected.is_met_by(report.outcome) && report.matches;
            unexpected += usize::from(!as_expected);
            show(global, &Checked { sample: &sample.path, expected: sample.expected, as_expected, report })?;
        }
        Ok::<(), Failure>(())
    })?;
    if unexpected > 0 {
        return Err(Failure::new(format!("{unexpected} of {} samples did not end as they should", samples.len())));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(global: &Global, checked: &Checked<'_>) -> Result<(), Failure> {
    if global.json {
        return output::json(checked);
    }
    let name = checked.sample.file_name().unwrap_or_default().to_string_lossy();
    let report = &checked.report;
    // A reason begins with the outcome.
    let outcome = report.reason.as_deref().unwrap_or(report.outcome);
    let published = if report.released { report.published.len() } else { 0 };
    output::line(&format!(
        "{} {name}  {}  ({published} published, {} fuel, {:.3} ms)",
        if checked.as_expected { "ok " } else { "NOT" },
        output::printable(outcome),
        report.fuel,
        Duration::from_nanos(report.time_ns).as_secs_f64() * 1000.0,
    ))?;
    if checked.as_expected {
        return Ok(());
    }
    let wanted = match checked.expected {
        Expected::Acked => "it should have been acked",
        Expected::Refused => "it should have been refused, as its name begins with `bad`",
    };
    output::line(&format!("    {wanted}\n    {}", in_words(report).replace('\n', "\n    ")))
}
