"""Try the wheel that a folder has for an interpreter, in a fresh environment far from the sources.

Usage: try_wheel.py PYTHON DIST

The wheel is installed without an index, the examples of the README run, and ``python -m wscore
info``. One line of JSON says on what; errors say what failed. Needs nothing but Python 3.10.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.examples import ALONE, CLIENTS, PORT, SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.examples import Example

PATIENCE = 1800  # seconds: the machine may be emulated, and busy with others

FACTS = """
import json, os, platform, sysconfig
import wscore
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION")
except (ValueError, OSError):
    libc = "musl" if "musl" in (sysconfig.get_config_var("SOABI") or "") else ""
print(json.dumps({
    "interpreter": platform.python_implementation(),
    "version": platform.python_version(),
    "machine": platform.machine(),
    "libc": libc or "",
    "backend": wscore.BACKEND,
    "kernel": wscore.KERNEL,
    "file": wscore.__file__,
}))
"""


class Failed(Exception):
    """What was tried does not work."""


class Environment:
    """A virtual environment of *python* in *folder*, where all commands run."""

    def __init__(self, python: str, folder: Path) -> None:
        self.folder = folder.resolve()
        self.variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PIP_", "PYTHON", "WSCORE_", "VIRTUAL_ENV"))
        }
        # What pip is told here must not reach another index, nor other wheels.
        self.variables |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        self.run(python, "-m", "venv", self.folder / "env")
        scripts = "Scripts/python.exe" if os.name == "nt" else "bin/python"
        self.python = self.folder / "env" / scripts

    def run(self, *command: str | Path) -> str:
        """What it prints. Failed if it fails or has anything to say about errors."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.variables, capture_output=True, text=True,
            timeout=PATIENCE,
        )  # fmt: skip
        if done.returncode or done.stderr:
            raise Failed(f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def install(self, dist: Path) -> str:
        """The file name of the wheel that pip has chosen."""
        report = self.run(
            *(self.python, "-m", "pip", "install", "-qq", "--report", "-", "--no-index"),
            *("--find-links", dist.resolve(), "--only-binary", ":all:", "wscore-engine"),
        )
        [installed] = json.loads(report)["install"]
        return Path(installed["download_info"]["url"]).name

    def facts(self) -> dict[str, Any]:
        facts = json.loads(self.run(self.python, "-c", FACTS))
        if not Path(facts.pop("file")).is_relative_to(self.folder):
            raise Failed("another wscore than that of the wheel was imported")
        told = self.run(self.python, "-m", "wscore", "info").split("\n")
        if [line.split() for line in told if line.startswith("backend ")] != [
            ["backend", facts["backend"]]
        ]:
            raise Failed("`python -m wscore info` tells another backend than wscore.BACKEND")
        return facts

    def example(self, example: Example, port: int) -> str:
        return self.run(self.python, "-c", example.code.replace(PORT, str(port)))

    @contextmanager
    def serving(self, server: Example, port: int) -> Iterator[None]:
        """An example that serves runs from its first line of output until Control-C."""
        process = subprocess.Popen(
            [self.python, "-u", "-c", server.code.replace(PORT, str(port))],
            cwd=self.folder, env=self.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        late = Timer(PATIENCE, process.kill)
        late.start()
        with process:
            try:
                first = process.stdout.readline() if process.stdout else ""
                if not first.startswith("listening on "):
                    raise Failed(f"{server.name} does not listen: {first}{process.communicate()}")
                yield
                process.send_signal(signal.SIGINT)
                said, _ = process.communicate()
                if (process.returncode, said) != (0, "stopped\n"):
                    raise Failed(f"{server.name}: status {process.returncode}\n{said}")
            finally:
                late.cancel()
                process.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def of_readme(examples: list[Example]) -> list[Example]:
    return [example for example in examples if example.page.name == "README.md"]


def run_examples(environment: Environment) -> list[str]:
    """The names of those that ran: each client against each server."""
    port = free_port()
    for example in of_readme(ALONE):
        environment.example(example, port)
    for server in of_readme(SERVERS):
        with environment.serving(server, port):
            for client in of_readme(CLIENTS):
                if (said := environment.example(client, port)) != "Hello\n":
                    raise Failed(f"{client.name} with {server.name}: {said!r}")
    return sorted(example.name for example in of_readme([*ALONE, *SERVERS, *CLIENTS]))


def main(python: str, dist: str) -> None:
    # A shell that started this in the background has it ignored, and so would the servers.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with TemporaryDirectory(prefix="wscore-") as folder:
        environment = Environment(python, Path(folder))
        wheel = environment.install(Path(dist))
        facts = environment.facts()
        passed = run_examples(environment)
    print(json.dumps({**facts, "wheel": wheel, "examples": passed}))


if __name__ == "__main__":
    # Servers would inherit that it is ignored: by nohup, or in the background of a shell.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main(*sys.argv[1:])
    except Failed as failure:
        sys.exit(f"try_wheel: {failure}")
