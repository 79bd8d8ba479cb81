"""MQTT and STOMP: a broker, and the bridge that takes WebSocket clients to it.

$ python examples/bridged_brokers.py mqtt --port 8083
$ python examples/bridged_brokers.py stomp --port 8084

The first needs mosquitto 2, the second RabbitMQ: `mosquitto` and `rabbitmq-server` of Debian.
Everybody may enter, at RabbitMQ as guest with the password guest, so all of it listens on 127.0.0.1
only. What the broker keeps is gone when this ends.
"""

import argparse
import asyncio
import os
import shlex
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from getpass import getuser
from pathlib import Path

Parts = tuple[list[list[str]], list[str]]


def mosquitto(folder: Path, port: int) -> Parts:
    """Commands that start the broker, and options of the bridge."""
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser {getuser()}\n")
    # MQTT has heartbeats of its own. paho-mqtt answers those of WebSocket with a frame that is not
    # masked, for which its connection would be closed.
    options = ["--subprotocol", "mqtt", "--ping-interval", "inf"]
    return [[found("mosquitto"), "-c", str(config)]], options


def rabbitmq(folder: Path, port: int) -> Parts:
    """The same. RabbitMQ would start the registry of its nodes, epmd, and leave it behind."""
    config, plugins, names = folder / "rabbitmq.conf", folder / "plugins", free_port()
    config.write_text(f"listeners.tcp = none\nstomp.listeners.tcp.1 = 127.0.0.1:{port}\n")
    plugins.write_text("[rabbitmq_stomp].\n")
    settings = {
        "CONF_ENV_FILE": "/dev/null", "CONFIG_FILE": config, "ENABLED_PLUGINS_FILE": plugins,
        "MNESIA_BASE": folder / "data", "LOG_BASE": folder, "LOGS": "-",
        "NODENAME": "rabbit@localhost", "DIST_PORT": free_port(),
        "SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }  # fmt: skip
    environment = [f"RABBITMQ_{name}={value}" for name, value in settings.items()]
    environment += [f"HOME={folder}", f"ERL_EPMD_PORT={names}"]
    registry = ["epmd", "-address", "127.0.0.1", "-port", str(names)]
    options = ["--text", "--subprotocol", "v12.stomp", "--subprotocol", "v11.stomp"]
    return [registry, ["env", *environment, found("rabbitmq-server")]], options


def found(name: str) -> str:
    """Its path: PATH may lack /usr/sbin, and what RabbitMQ has there is for root only."""
    folders = f"/usr/lib/rabbitmq/bin:{os.environ['PATH']}:/usr/sbin"
    return shutil.which(name, path=folders) or sys.exit(f"there is no {name}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


async def run(parts: Parts, broker: int, port: int) -> None:
    """Run the broker, then the bridge, until one of them ends or this is cancelled."""
    commands, options = parts
    processes: list[asyncio.subprocess.Process] = []

    async def start(command: list[str]) -> None:
        print("$", shlex.join(command), flush=True)
        processes.append(await asyncio.create_subprocess_exec(*command))

    try:
        for command in commands:
            await start(command)
        with socket.socket() as sock:
            while sock.connect_ex(("127.0.0.1", broker)) and processes[-1].returncode is None:
                await asyncio.sleep(0.1)
        # Most clients send a packet or a frame as one message, whatever its size.
        ends = ["--listen", f"127.0.0.1:{port}", "--to", f"127.0.0.1:{broker}"]
        limits = ["--max-size", str(16 << 20)]
        await start([sys.executable, "-m", "wscore", "bridge", *ends, *options, *limits])
        endings = [asyncio.ensure_future(each.wait()) for each in processes]
        await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for process in reversed(processes):
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def main() -> None:
    known = {"mqtt": mosquitto, "stomp": rabbitmq}
    options = argparse.ArgumentParser(description="A broker behind a bridge.")
    options.add_argument("protocol", choices=known)
    options.add_argument("--port", type=int, required=True, help="where the bridge listens")
    given, broker = options.parse_args(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        parts = known[given.protocol](Path(folder), broker)
        running = asyncio.ensure_future(run(parts, broker, given.port))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        with suppress(asyncio.CancelledError):
            await running
            sys.exit("a part of it has ended")


if __name__ == "__main__":
    asyncio.run(main())
