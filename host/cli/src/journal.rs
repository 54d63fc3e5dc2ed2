//! `plugbus journal`: checks and repairs a journal while no daemon has it.

use std::path::PathBuf;
use std::process::ExitCode;

use plugbus::config::Config;
use plugbus::journal::{repair, verify};

use crate::args::{DataDir, Global, Journal, JournalAction};
use crate::failure::{Failure, Outcome};
use crate::{output, place};

/// Verifies or repairs.
pub(crate) fn journal(global: &Global, args: &Journal) -> Outcome {
    let sound = match &args.action {
        JournalAction::Verify(data) => {
            let folder = folder(global, data)?;
            let report = verify(&folder).map_err(|error| failed("check", &folder, &error))?;
            show(global, &report)?;
            report.is_sound()
        }
        JournalAction::Repair(data) => {
            let folder = folder(global, data)?;
            let repaired = repair(&folder).map_err(|error| failed("repair", &folder, &error))?;
            show(global, &repaired)?;
            repaired.after.is_sound()
        }
    };
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show<T: serde::Serialize + std::fmt::Display>(global: &Global, report: &T) -> Result<(), Failure> {
    if global.json { output::json(report) } else { output::line(&report.to_string()) }
}

fn failed(doing: &str, folder: &std::path::Path, error: &dyn std::error::Error) -> Failure {
    Failure::doing(format!("cannot {doing} the journal in {}", folder.display()), error)
}

/// The folder of the journal that a daemon with the same settings would use.
fn folder(global: &Global, data: &DataDir) -> Result<PathBuf, Failure> {
    let mut config = place::configured(global)?;
    if let Some(folder) = place::given(&data.data_dir) {
        config.data_dir = folder;
    }
    Ok(Config::journal_dir(&config))
}
