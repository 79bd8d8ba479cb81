"""The chat on three nodes behind nginx: what `make demo-cluster` runs.

Starts Redis, the nodes and nginx, each by the command that it prints, and ends them, in the order
in which nobody is cut off, on Control-C or SIGTERM. All their files, and the unix sockets by which
they meet, are in one temporary folder; only nginx has a port.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

NODES = 3
STARTING = 60.0  # seconds until a process accepts connections
ENDING = 15.0  # and until it is killed

# Where distributions have servers, and not every user looks.
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"


class Failed(Exception):
    """It cannot be shown. The text says why."""


def program(*names: str) -> str:
    """The first of *names* that there is. Raises Failed."""
    for name in names:
        if found := shutil.which(name, path=PATH):
            return found
    raise Failed(
        f"there is no {names[0]} on this machine. Debian, Ubuntu: apt install redis-server nginx; "
        "macOS: brew install redis nginx"
    )


def accepts(place: tuple[str, int] | str) -> bool:
    """Whether connections are accepted there: host and port, or the path of a unix socket."""
    family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
    with socket.socket(family) as sock, suppress(OSError):
        sock.settimeout(1)
        sock.connect(place)
        return True
    return False


class Cluster:
    """The processes, whose files are in *folder*; nginx listens on *port*."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.address = "127.0.0.1", port
        self.url = f"http://127.0.0.1:{port}/"
        self.redis: Process | None = None
        self.nodes: list[Process] = []
        self.nginx: Process | None = None

    async def start(self) -> None:
        """Raises Failed."""
        redis_server, nginx = program("redis-server", "valkey-server"), program("nginx")
        if accepts(self.address):
            raise Failed(f"somebody listens on port {self.address[1]} already: choose PORT=...")
        # So that a command that is printed starts what somebody has killed.
        programs = shlex.quote(str(Path(sys.executable).parent))
        print(f"cd {shlex.quote(str(self.folder))}; PATH={programs}:$PATH")
        self.redis = await self._run(
            redis_server, "--port", "0", "--unixsocket", "redis.sock", "--save", "",
            "--logfile", "redis.log",
        )  # fmt: skip
        await self._ready(self.redis, self._path("redis.sock"))
        ticket = secrets.token_hex(16)
        for number in range(1, NODES + 1):
            node = await self._run(
                "wscore", "serve", "wscore.demo:node", "--unix", f"node{number}.sock",
                "--trusted-proxy", "unix:", REDIS_URL=f"unix://{self._path('redis.sock')}",
                CHAT_NODE=f"node {number}", CHAT_URI=f"ws{self.url[4:]}chat", CHAT_TICKET=ticket,
            )  # fmt: skip
            self.nodes.append(node)
        self._configure()
        for number, node in enumerate(self.nodes, 1):
            await self._ready(node, self._path(f"node{number}.sock"))
        # Its workers have to reach the sockets, which nobody's processes may not.
        user = " user root;" * (os.geteuid() == 0)
        self.nginx = await self._run(
            nginx, "-p", str(self.folder), "-c", "nginx.conf", "-e", "error.log",
            "-g", f"daemon off;{user}",
        )  # fmt: skip
        await self._ready(self.nginx, self.address)

    def _path(self, name: str) -> str:
        return str(self.folder / name)

    def _configure(self) -> None:
        """Write nginx.conf. The page names its tab in the query: that brings it to its node."""
        nodes = [f"--node=unix:{self._path(f'node{n}.sock')}" for n in range(1, NODES + 1)]
        words = ["nginx", *nodes, "--sticky=arg:client", "--listen={}:{}".format(*self.address)]
        print(shlex.join(["wscore", *words]), ">nginx.conf")
        made = subprocess.run(
            [sys.executable, "-m", "wscore", *words], capture_output=True, text=True, check=True
        )
        (self.folder / "nginx.conf").write_text(made.stdout)

    async def _run(self, *command: str, **environment: str) -> Process:
        """Start *command* in the folder, in a group of its own: Control-C is for us."""
        said = {name: value for name, value in environment.items() if name != "CHAT_TICKET"}
        settings = [f"{name}={shlex.quote(value)} " for name, value in said.items()]
        print(f"{''.join(settings)}{shlex.join(command)} &")
        words = [sys.executable, "-m", *command] if command[0] == "wscore" else command
        return await asyncio.create_subprocess_exec(
            *words, cwd=self.folder, env={**os.environ, **environment}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    async def _ready(self, process: Process, place: tuple[str, int] | str) -> None:
        for _ in range(int(STARTING / 0.05)):
            if process.returncode is not None:
                break
            if accepts(place):
                return
            await asyncio.sleep(0.05)
        log = self.folder / "redis.log"
        said = f": {log.read_text()}" if process is self.redis and log.exists() else ""
        raise Failed(f"the command for {place} does not serve{said}")

    async def end(self) -> None:
        """Take no more clients, close those that are there, and only then what is behind them."""
        if self.nginx is not None:
            send(self.nginx, signal.SIGQUIT)
        for group in (self.nodes, [self.nginx], [self.redis]):
            running = [process for process in group if process is not None]
            for process in running:
                send(process, signal.SIGTERM)
            await asyncio.gather(*map(ended, running))


def send(process: Process, signum: int) -> None:
    """Send it to the process, if that has not ended."""
    if process.returncode is None:
        process.send_signal(signum)


async def ended(process: Process) -> None:
    """Wait for the end of a process, and kill all of its group if that takes too long."""
    try:
        await asyncio.wait_for(process.wait(), ENDING)
    except asyncio.TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def show(cluster: Cluster) -> None:
    """Have it run until nginx ends. Raises Failed."""
    await cluster.start()
    print(f"\nopen {cluster.url} in several tabs to chat; each shows which node it is on")
    pids = " ".join(str(node.pid) for node in cluster.nodes)
    assert cluster.nginx is not None
    assert cluster.redis is not None
    print(f"processes: nodes {pids}, Redis {cluster.redis.pid}; kill one, and see what happens")
    print("to start it again: in another terminal, the line that begins with cd, then its own")
    await cluster.nginx.wait()
    raise Failed("nginx has ended")


async def main(port: int) -> int:
    """Return the exit status: 0 after a signal."""
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    with TemporaryDirectory(prefix="wscore-") as folder:
        cluster = Cluster(Path(folder), port)
        showing = asyncio.ensure_future(show(cluster))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({showing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                return 0
            await showing
        except Failed as error:
            print(f"demo-cluster: {error}", file=sys.stderr)
        finally:
            showing.cancel()
            stopping.cancel()
            await asyncio.gather(showing, stopping, return_exceptions=True)
            await cluster.end()
    return 1


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", nargs="?", type=int, default=8765)
    sys.exit(asyncio.run(main(parser.parse_args().port)))
