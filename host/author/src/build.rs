//! The build of a project: a plan of commands for its language, and carrying it out.
//!
//! What a language's build needs beyond its own toolchain is installed by its SDK's script into the project's tool folder
//! ([`Project::tools`]), in pinned versions; nothing is installed on the system but, for Rust, the compiler's own target.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::language::Language;
use crate::project::Project;
use crate::template::VENDOR;

mod npm;

/// The target of Rust plugins.
const RUST_TARGET: &str = "wasm32-wasip2";

/// A component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Where it is.
    pub wasm: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A program is not there.
    #[error("cannot run `{program}`, which a build of {} needs; {hint}", language.name())]
    Missing {
        /// The program.
        program: String,
        /// The project's language.
        language: Language,
        /// How to get it.
        hint: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// A command ended with an error, which it has told.
    #[error("`{command}` failed ({status}); it says why above")]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// The compiler's target is missing and cannot be had.
    #[error(
        "the compiler has no target {RUST_TARGET}, and rustup could not add it; run: rustup target add {RUST_TARGET}"
    )]
    Target,
    /// The tools cannot be installed where they should be.
    #[error("cannot install tools: {}", path.display())]
    Tools {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The component is not where it should be.
    #[error("the build ended well, but {} cannot be taken from it", path.display())]
    Output {
        /// Where it should be.
        path: PathBuf,
        /// Why it cannot.
        source: io::Error,
    },
}

/// One command of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    program: String,
    args: Vec<String>,
    /// How to get the program.
    hint: &'static str,
}

/// What to run, and what it leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Plan {
    step: Step,
    output: PathBuf,
}

/// Builds a project: its component is then at [`Project::wasm`], replaced in one step. `tell` hears what is being done; the
/// tools themselves write to stderr.
///
/// # Errors
/// [`BuildError`]; the component that was there before is untouched.
pub fn build(project: &Project, tell: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    if project.command.is_none() {
        match project.language {
            Language::Rust => have_rust_target(tell)?,
            Language::Js | Language::Ts => npm::have_tools(project, tell)?,
            // Their SDKs' scripts install what they need.
            Language::Python | Language::C | Language::Go => {}
        }
    }
    let plan = plan(project);
    tell(&format!("building {}: {}", project.name, shown(&plan.step)));
    run(project, &plan.step)?;
    let wasm = project.wasm();
    let at_output = |source| BuildError::Output { path: plan.output.clone(), source };
    if plan.output != wasm {
        replace(&plan.output, &wasm).map_err(at_output)?;
    }
    let bytes = fs::metadata(&wasm).map_err(at_output)?.len();
    Ok(Built { wasm, bytes })
}

/// What to run for a project. Pure.
fn plan(project: &Project) -> Plan {
    let dir = &project.dir;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let staged = project.own().join("build").join(format!("{}.wasm", project.name));
    let script = |program: &str, script: &str, hint| {
        let script = dir.join(VENDOR).join("plugin-sdk").join(project.language.sdk()).join(script);
        let args = vec![text(&script), text(dir), "-o".into(), text(&staged)];
        Plan { step: Step { program: program.into(), args, hint }, output: staged.clone() }
    };
    if let (Some([program, args @ ..]), Some(output)) = (project.command.as_deref(), &project.output) {
        let hint = "it is the `command` of plugbus.build.toml";
        return Plan { step: Step { program: program.clone(), args: args.to_vec(), hint }, output: dir.join(output) };
    }
    match project.language {
        Language::Rust => {
            let target = dir.join("target");
            let args = ["build", "--release", "--target", RUST_TARGET, "--target-dir"].map(String::from);
            let args = args.into_iter().chain([text(&target)]).collect();
            let file = format!("{}.wasm", project.name.replace('-', "_"));
            Plan {
                step: Step { program: "cargo".into(), args, hint: "install Rust with rustup" },
                output: target.join(RUST_TARGET).join("release").join(file),
            }
        }
        Language::Js | Language::Ts => script("node", "build.mjs", "install Node.js 20 or newer"),
        Language::Python => script("python3", "build.py", "install Python 3.11 or newer"),
        Language::C => script("python3", "build.py", "install Python 3.11 or newer; it installs the C compiler"),
        Language::Go => script("python3", "build.py", "install Python 3.11 or newer, and Go 1.27 or newer"),
    }
}

fn run(project: &Project, step: &Step) -> Result<(), BuildError> {
    let missing = |source| BuildError::Missing {
        program: step.program.clone(),
        language: project.language,
        hint: step.hint,
        source,
    };
    let mut command = Command::new(&step.program);
    command.args(&step.args).current_dir(&project.dir);
    command.env("PLUGBUS_TOOLS", project.tools()).env("PLUGBUS_JS_TOOLS", npm::tools(project));
    // A tool's messages are no output of ours: stdout stays free for data.
    let status = command.stdin(Stdio::null()).stdout(io::stderr()).status().map_err(missing)?;
    if status.success() { Ok(()) } else { Err(BuildError::Failed { command: shown(step), status }) }
}

fn shown(step: &Step) -> String {
    std::iter::once(&step.program).chain(&step.args).map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// Sees that the compiler has the target, or asks rustup for it.
fn have_rust_target(tell: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
    if has_rust_target() {
        return Ok(());
    }
    tell(&format!("the compiler has no target {RUST_TARGET}; asking rustup for it"));
    let added =
        Command::new("rustup").args(["target", "add", RUST_TARGET]).stdin(Stdio::null()).stdout(io::stderr()).status();
    if added.is_ok_and(|status| status.success()) && has_rust_target() { Ok(()) } else { Err(BuildError::Target) }
}

/// Whether the standard library for the target is there. A compiler that cannot be asked will say so itself.
fn has_rust_target() -> bool {
    let asked = Command::new("rustc").args(["--print", "target-libdir", "--target", RUST_TARGET]).output();
    asked.map_or(true, |output| {
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some())
    })
}

/// Puts a copy of a file in another's place, in one step.
pub(crate) fn replace(from: &Path, to: &Path) -> io::Result<()> {
    let mut staged = to.as_os_str().to_owned();
    staged.push(".new");
    fs::copy(from, &staged)?;
    fs::rename(&staged, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(language: Language) -> Project {
        Project { dir: "/p".into(), name: "my-relay".into(), language, command: None, output: None }
    }

    #[test]
    fn each_language_has_one_command_and_a_place_for_what_it_builds() {
        let rust = plan(&project(Language::Rust));
        assert_eq!(shown(&rust.step), "cargo build --release --target wasm32-wasip2 --target-dir /p/target");
        assert_eq!(rust.output, Path::new("/p/target/wasm32-wasip2/release/my_relay.wasm"));
        let ts = plan(&project(Language::Ts));
        assert_eq!(
            shown(&ts.step),
            "node /p/third_party/plugbus/plugin-sdk/js/build.mjs /p -o /p/.plugbus/build/my-relay.wasm"
        );
        for language in Language::ALL {
            assert!(plan(&project(*language)).output.is_absolute(), "{language:?}");
        }
    }

    #[test]
    fn a_command_of_the_projects_own_takes_the_place_of_the_languages() {
        let own = Project {
            command: Some(vec!["make".into(), "plugin".into()]),
            output: Some("out/x.wasm".into()),
            ..project(Language::C)
        };
        let plan = plan(&own);
        assert_eq!((shown(&plan.step), plan.output), ("make plugin".into(), "/p/out/x.wasm".into()));
    }

    #[test]
    fn a_build_that_fails_leaves_the_component_of_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut own = Project { dir: dir.path().into(), output: Some("made".into()), ..project(Language::C) };
        own.command = Some(vec!["sh".into(), "-c".into(), "echo new > made".into()]);
        assert_eq!(build(&own, &mut |_| {}).unwrap().bytes, 4);
        own.command = Some(vec!["sh".into(), "-c".into(), "exit 3".into()]);
        assert!(build(&own, &mut |_| {}).unwrap_err().to_string().contains("exit status: 3"));
        own.command = Some(vec!["no-such-program-here".into()]);
        assert!(build(&own, &mut |_| {}).unwrap_err().to_string().contains("no-such-program-here"));
        assert_eq!(fs::read_to_string(own.wasm()).unwrap(), "new\n");
    }
}
