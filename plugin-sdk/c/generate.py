#!/usr/bin/env python3
"""Makes `generated/` anew from the contract, or tells whether it still fits.

    cargo install --locked wit-bindgen-cli@0.63.0 --no-default-features --features c
    python generate.py            # runs wit-bindgen
    python generate.py --check    # needs nothing: compares the contract with the one that was generated from

What counts are the types and functions: a change of words in the contract leaves the bindings as they are.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

VERSION = "0.63.0"
SDK = Path(__file__).resolve().parent
WIT = SDK.parent.parent / "wit"
MADE_OF = SDK / "generated" / "made-of.sha256"


def digest() -> str:
    """Of what the world `plugin` is made of, without comments and white space."""
    files = sorted([*WIT.glob("*.wit"), *(WIT / "deps" / "logging").glob("*.wit")])
    words = [f"{path.relative_to(WIT)}: " + " ".join(re.sub(r"//[^\n]*", "", path.read_text()).split()) for path in files]
    return hashlib.sha256("\n".join([VERSION, *words]).encode()).hexdigest()


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        if MADE_OF.read_text().strip() == digest():
            return 0
        print(f"error: {WIT} has changed since {SDK / 'generated'} was made; run `python {SDK / 'generate.py'}`", file=sys.stderr)
        return 1
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    version = subprocess.run(["wit-bindgen", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    if version != VERSION:
        print(f"error: this is wit-bindgen {version}; {VERSION} is needed", file=sys.stderr)
        return 1
    command = ["wit-bindgen", "c", str(WIT), "--world", "plugin", "--no-object-file", "--out-dir", str(SDK / "generated")]
    subprocess.run(command, check=True)
    MADE_OF.write_text(digest() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
