"""Schemathesis asks every route of the OpenAPI document for what it allows, and for what it does not."""

import subprocess
import sys
from pathlib import Path

# What must hold of every answer. What is random may be refused: that a valid request is taken is for other tests.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_no_request_makes_the_gateway_fail(daemon, tmp_path):
    # A stream of events has no end, so there is no answer that could be looked at; Schemathesis makes no components.
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "run", f"{daemon.url}/v1/openapi.json",
        "--checks", CHECKS, "--exclude-path-regex", "^/v1/(stream|ws)$", "--exclude-method", "PUT",
        "--generation-deterministic",
        "--phases", "examples,coverage,fuzzing", "-n", "40", "--request-timeout", "60", "--no-color", "--continue-on-failure",
        "--suppress-health-check", "all",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-4000:]
    # Unharmed: it still takes an event.
    assert daemon.cli("emit", "still.there", "1") == ""
