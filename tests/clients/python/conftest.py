"""A real daemon on a temporary folder."""

import os
import re
import shutil
import subprocess
import threading
import time

import pytest

# Longest wait for anything, in seconds.
PATIENCE = 60.0


def required(name):
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"{name} is not set: run these tests by `cargo xtask clients`")
    return value


class Daemon:
    """`plugbus run` with its own plugins folder, data folder, socket and port."""

    def __init__(self, folder, args=(), env=None):
        self.folder = folder
        self.args = list(args)
        self.socket = folder / "s"
        self.env = {"PATH": os.environ["PATH"], "PLUGBUS_SOCKET": str(self.socket), **(env or {})}
        self.listen = "127.0.0.1:0"
        self.log = []
        (folder / "plugins.d").mkdir(exist_ok=True)

    def plugin(self, name, guest, manifest=""):
        """Puts a built guest (`plugins/count-topics`, `fixtures/echo`) into the folder, manifest first."""
        place = self.folder / "plugins.d"
        if manifest:
            (place / f"{name}.toml").write_text(manifest)
        staged = self.folder / f"{name}.new"
        shutil.copyfile(f"{required('PLUGBUS_GUESTS')}/{guest}.wasm", staged)
        staged.rename(place / f"{name}.wasm")

    def run(self):
        """Starts it and waits until it is ready. Started again, it takes the same address as before."""
        command = [required("PLUGBUS_BIN"), "run", "--http-listen", self.listen, *self.args]
        self.process = subprocess.Popen(
            command, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )
        self.log = []
        ready = threading.Event()
        threading.Thread(target=self._read, args=(self.process.stderr, ready), daemon=True).start()
        if not ready.wait(PATIENCE) or self.process.poll() is not None:
            raise RuntimeError("the daemon did not start:\n" + "\n".join(self.log))
        self.url = f"http://{self.listen}"
        return self

    def _read(self, stream, ready):
        for line in stream:
            self.log.append(line.rstrip())
            plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
            found = re.search(r'\bready\b.*\bhttp="?(?:https?://)?([0-9.:\[\]a-f]+)', plain)
            if found:
                self.listen = found.group(1)
                ready.set()
        ready.set()

    def cli(self, *args, stdin=None):
        """A command of the command line that must succeed; what it printed."""
        done = subprocess.run(
            [required("PLUGBUS_BIN"), *args], cwd=self.folder, env=self.env, input=stdin, text=True,
            capture_output=True, timeout=PATIENCE, check=False,
        )
        assert done.returncode == 0, f"plugbus {args}: {done.stderr}"
        return done.stdout

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture
def make_daemon(tmp_path):
    """Makes daemons that are stopped at the end: `make_daemon(*args, plugins={name: (guest, manifest)})`."""
    made = []

    def make(*args, plugins=None, env=None):
        folder = tmp_path / f"daemon-{len(made)}"
        folder.mkdir()
        daemon = Daemon(folder, args, env)
        made.append(daemon)
        for name, (guest, manifest) in (plugins or {}).items():
            daemon.plugin(name, guest, manifest)
        return daemon.run()

    yield make
    for daemon in made:
        daemon.stop()


@pytest.fixture
def daemon(make_daemon):
    """A daemon with an empty plugins folder."""
    return make_daemon()


def until(what, look, limit=PATIENCE):
    """Waits until `look` gives something that is not falsy."""
    deadline = time.monotonic() + limit
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.02)
