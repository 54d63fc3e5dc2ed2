"""The code of the README is that of a plugin that works: `python readme.py --tools DIR` builds and tests it as it stands."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SDK = Path(__file__).resolve().parent.parent


# The function of the README, to be called from elsewhere.
FORWARD = "plugbus_result forward(const plugbus_event *event, plugbus_str url);\nplugbus_result forward"


def blocks(page: Path) -> list[str]:
    return re.findall(r"```c\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", type=Path, required=True, metavar="DIR", help="where the compiler is kept")
    tools = parser.parse_args().tools.resolve()
    plugin, test, http = blocks(SDK / "README.md")
    page = SDK.parent.parent / "README.md"
    if page.exists() and not all(block in plugin for block in blocks(page)):
        print(f"error: the C of {page} is not that of {SDK / 'README.md'}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="plugbus-readme-") as folder:
        project = Path(folder, "greet")
        (project / "test").mkdir(parents=True)
        (project / "plugin.c").write_text(plugin, encoding="utf-8")
        # A plugin that calls it: nothing else would see it compiled.
        (project / "forward.c").write_text(http.replace("static plugbus_result forward", FORWARD), encoding="utf-8")
        (project / "test" / "greets.c").write_text(test, encoding="utf-8")
        for what in (["--test"], ["-o", str(Path(folder, "greet.wasm"))]):
            build = [sys.executable, str(SDK / "build.py"), "--tools", str(tools), str(project), *what]
            if subprocess.run(build).returncode != 0:
                print(f"error: the plugin of {SDK / 'README.md'} does not pass `build.py {what[0]}`", file=sys.stderr)
                return 1
    print("readme: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
