#!/usr/bin/env python3
"""Builds a plugbus plugin written in Python: one component out of a project folder.

    python build.py DIR -o NAME.wasm    # the component
    python build.py DIR --test          # runs the tests in DIR/tests natively
    python build.py --install           # only installs the compiler

DIR holds the plugin's module, `plugin.py` unless its `pyproject.toml` says otherwise:

    [project]
    dependencies = ["some-package==1.2"]    # pure Python only

    [tool.plugbus]
    module = "summarize"    # the module with the variable `plugin`; default "plugin"
    path = "src"            # where it lies in DIR; default "."
    store = true            # import the store (`plugbus.state`); the manifest then needs `kv = true` under [grants]
    http = true             # import HTTP (`plugbus.http`); the manifest then needs `http = ["https://host"]` under [grants]

The compiler, componentize-py, is installed on first use from the package index into a folder of the project (`--tools`, else the
variable PLUGBUS_TOOLS, else DIR/.plugbus/tools). Needs Python 3.11 or newer.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

COMPONENTIZE_PY = "0.25.1"
#: What componentize-py's interpreter is, for choosing wheels of dependencies.
PYTHON = "3.14"

SDK = Path(__file__).resolve().parent

ENTRY = """\
from plugbus import _guest as _plugbus
from {module} import plugin as _plugin

Subscriber = _plugbus.subscriber(_plugin)
"""


#: The world of one component: the contract, and of what else there is just what the project asks for, since a component that
#: imports HTTP or the store is refused without the grant.
WORLD = """\
package plugbus:built;

world built {{
  include plugbus:plugin/{contract}@{version};
{imports}}}
"""

#: HTTP and what its types are made of, in the release of `wit/deps`. The interpreter's own imports of `wasi:io` and `wasi:clocks` are
#: of an older one; componentize-py makes one import of both, of the newer release, so the types are the same.
HTTP = [
    "wasi:http/types@0.2.10",
    "wasi:http/outgoing-handler@0.2.10",
    "wasi:io/poll@0.2.10",
    "wasi:io/streams@0.2.10",
    "wasi:clocks/monotonic-clock@0.2.10",
]


class BuildError(Exception):
    """What went wrong, and how to mend it."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Builds a plugbus plugin written in Python.")
    parser.add_argument("project", type=Path, nargs="?", metavar="DIR", help="the plugin's folder [default: this one]", default=Path("."))
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("-o", "--output", type=Path, metavar="FILE", help="where the component goes")
    what.add_argument("--test", action="store_true", help="run the tests in DIR/tests instead, with unittest")
    what.add_argument("--install", action="store_true", help="install the compiler, and no more")
    parser.add_argument("--tools", type=Path, metavar="DIR", help="where the compiler is kept [default: PLUGBUS_TOOLS, else DIR/.plugbus/tools]")
    parser.add_argument("--wit", type=Path, metavar="DIR", help="the contract [default: the one beside this SDK]")
    arguments = parser.parse_args()
    project = arguments.project.resolve()
    tools = (arguments.tools or Path(os.environ.get("PLUGBUS_TOOLS") or project / ".plugbus" / "tools")).resolve()
    try:
        tools.mkdir(parents=True, exist_ok=True)
        if arguments.install:
            install_compiler(tools)
        elif arguments.test:
            test(project, tools)
        else:
            build(project, arguments.output, tools, arguments.wit or find_wit())
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def build(project: Path, output: Path, tools: Path, wit: Path) -> None:
    """Builds `project` into `output`, which is replaced in one step."""
    settings, dependencies = read_settings(project)
    compiler = install_compiler(tools)
    packages = install_dependencies(compiler, tools, dependencies) if dependencies else None
    source = project / settings.get("path", ".")
    module = settings.get("module", "plugin")
    with tempfile.TemporaryDirectory(prefix="plugbus-build-") as stage:
        entry = Path(stage, "plugbus_entry.py")
        entry.write_text(ENTRY.format(module=module))
        world = write_world(Path(stage, "wit"), wit, settings)
        built = Path(stage, "out.wasm")
        command = [str(compiler / "bin" / "componentize-py"), "-q", "-d", str(world), "-w", "built"]
        command += ["componentize", entry.stem, "-o", str(built)]
        for folder in [stage, str(source), str(SDK / "src"), *([str(packages)] if packages else [])]:
            command += ["-p", folder]
        environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        run(command, environment, f"the module `{module}` of {project} does not build")
        output.parent.mkdir(parents=True, exist_ok=True)
        staged = output.with_name(output.name + ".new")
        shutil.copyfile(built, staged)
        staged.replace(output)
    print(f"{output}: {output.stat().st_size} bytes")


def write_world(folder: Path, wit: Path, settings: dict) -> Path:
    """The contract of `wit` with the world `built` of a project with these settings, in `folder`, which is returned."""
    deps = folder / "deps"
    shutil.copytree(wit / "deps", deps)
    (deps / "plugbus").mkdir()
    for path in wit.glob("*.wit"):
        shutil.copy(path, deps / "plugbus")
    version = re.search(r"^package plugbus:plugin@([0-9.]+);", (wit / "world.wit").read_text(), re.MULTILINE)
    if version is None:
        raise BuildError(f"{wit}/world.wit does not say `package plugbus:plugin@…;`; name the contract's folder with --wit")
    contract = "plugin-with-store" if settings.get("store", False) else "plugin"
    imports = "".join(f"  import {name};\n" for name in (HTTP if settings.get("http", False) else []))
    (folder / "built.wit").write_text(WORLD.format(contract=contract, version=version[1], imports=imports))
    return folder


def test(project: Path, tools: Path) -> None:
    """Runs the tests of `project` with this interpreter: the SDK, the plugin and its dependencies are on the path."""
    settings, dependencies = read_settings(project)
    folders = [project / settings.get("path", "."), SDK / "src"]
    if dependencies:
        folders.append(install_dependencies(install_compiler(tools), tools, dependencies))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "unittest", "discover", "-s", str(project / "tests"), "-t", str(project / "tests")]
    run(command, environment, f"tests of {project} fail", cwd=project)


def read_settings(project: Path) -> tuple[dict, list[str]]:
    """`[tool.plugbus]` and the dependencies of `pyproject.toml`; nothing where there is none."""
    if not project.is_dir():
        raise BuildError(f"{project} is no folder")
    path = project / "pyproject.toml"
    try:
        content = tomllib.loads(path.read_text()) if path.exists() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BuildError(f"{path}: {error}") from None
    settings = content.get("tool", {}).get("plugbus", {})
    kinds = {"module": str, "path": str, "store": bool, "http": bool}
    for key, value in settings.items():
        if key not in kinds:
            raise BuildError(f"{path}: unknown key `{key}` under [tool.plugbus]; there are {', '.join(kinds)}")
        if not isinstance(value, kinds[key]):
            raise BuildError(f"{path}: `{key}` under [tool.plugbus] must be a {kinds[key].__name__}")
    if not all(part.isidentifier() for part in settings.get("module", "plugin").split(".")):
        raise BuildError(f"{path}: `module` under [tool.plugbus] is no module's name")
    named = content.get("project", {}).get("dependencies", [])
    own = lambda name: name.replace(" ", "").split("@")[0].split("=")[0].split(">")[0] == "plugbus"
    return settings, [name for name in named if not own(name)]


def find_wit() -> Path:
    """The contract: in the repository, or packed with the SDK."""
    for folder in (SDK / "wit", SDK.parent.parent / "wit"):
        if (folder / "world.wit").exists():
            return folder
    raise BuildError(f"no contract beside {SDK}; name its folder with --wit")


def install_compiler(tools: Path) -> Path:
    """componentize-py in an environment of its own; returns its folder."""
    folder = tools / f"componentize-py-{COMPONENTIZE_PY}"

    def install() -> None:
        print(f"installing componentize-py {COMPONENTIZE_PY} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip(folder, f"componentize-py=={COMPONENTIZE_PY}")

    once(folder, install)
    return folder


def install_dependencies(compiler: Path, tools: Path, dependencies: list[str]) -> Path:
    """The plugin's own packages, as they are for componentize-py's interpreter; returns their folder."""
    digest = hashlib.sha256("\n".join([PYTHON, *sorted(dependencies)]).encode()).hexdigest()[:16]
    folder = tools / f"packages-{digest}"

    def install() -> None:
        print(f"installing {', '.join(dependencies)} into {folder}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        portable = ["--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none", f"--python-version={PYTHON}"]
        pip(compiler, "--target", str(folder), *portable, *dependencies)

    once(folder, install)
    return folder


def pip(environment: Path, *arguments: str) -> None:
    command = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    run(command, dict(os.environ), f"cannot install {arguments[-1]}")


def once(folder: Path, install) -> None:
    """Installs unless that was done to the end before; two builds at a time wait for each other."""
    done = folder.with_name(folder.name + ".done")
    with open(folder.with_name(folder.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or not folder.exists():
            install()
            done.touch()


def run(command: list[str], environment: dict[str, str], wrong: str, cwd: Path | None = None) -> None:
    try:
        ended = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, cwd=cwd)
    except OSError as error:
        raise BuildError(f"{wrong}: cannot run {command[0]}: {error}") from None
    if ended.returncode != 0:
        raise BuildError(f"{wrong}: `{Path(command[0]).name}` ended with {ended.returncode}, see above")


if __name__ == "__main__":
    sys.exit(main())
