"""``python stomp_client.py URI 1.2|1.1``: a client of stomp.py that does as it is told.

It is told the same as ``node/stomp.mjs``, and tells the same; see obeying.py. stomp.py leaves it to
its user to connect and to subscribe again; this client does so when its connection is lost.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from obeying import obey, shown, tell
from stomp import ConnectionListener
from stomp.adapter.ws import WSTransport
from stomp.connect import BaseConnection, StompConnection11, StompConnection12
from stomp.exception import ConnectFailedException
from stomp.protocol import Protocol11, Protocol12

URI, VERSION = sys.argv[1:]


class Connection12(StompConnection12):
    """Over WebSocket, as stomp.py's WSStompConnection is, which has all options but 1.1."""

    protocol: Any = Protocol12

    def __init__(self, transport: WSTransport, heartbeats: tuple[int, int]) -> None:
        BaseConnection.__init__(self, transport)
        self.protocol.__init__(self, transport, heartbeats)


class Connection11(StompConnection11):
    protocol: Any = Protocol11
    __init__ = Connection12.__init__


class Client(ConnectionListener):  # type: ignore[misc]
    """One client, its connection of now, and its subscriptions."""

    def __init__(self) -> None:
        self.connection: Any = None
        self.options: dict[str, Any] = {}
        self.subscriptions: dict[str, tuple[str, str]] = {}
        # What can be acknowledged, by its text.
        self.messages: dict[str, Any] = {}
        self.numbers = itertools.count(1)
        self.receipts: dict[str, threading.Event] = {}
        self.is_closing = False

    def open(self, options: dict[str, Any]) -> None:
        """Connect; raises what goes wrong with the first attempt."""
        self.options = options
        self.connect()

    def connect(self) -> None:
        where = urlsplit(URI)
        name = {"1.2": "v12.stomp", "1.1": "v11.stomp"}[VERSION]
        header = {"Sec-WebSocket-Protocol": name} if self.options.get("subprotocol", True) else {}
        # Without a virtual host it would ask for one with the name of the bridge.
        transport = WSTransport(
            [(where.hostname, where.port)], vhost="/", header=header, reconnect_attempts_max=1
        )
        kind: Any = Connection12 if VERSION == "1.2" else Connection11
        self.connection = kind(transport, tuple(self.options.get("heartbeats", (0, 0))))
        self.connection.set_listener("", self)
        self.connection.connect("guest", self.options.get("password", "guest"), wait=True)
        for name, (destination, ack) in self.subscriptions.items():
            self.connection.subscribe(destination, name, ack)
        tell(0, "opened", VERSION)

    def come_back(self) -> None:
        is_back = False
        while not (is_back or self.is_closing):
            time.sleep(0.05)
            with suppress(ConnectFailedException):
                self.connect()
                is_back = True

    # What happens

    def on_disconnected(self) -> None:
        tell(0, "closed", None)
        if not self.is_closing and self.options.get("again", True):
            threading.Thread(target=self.come_back, daemon=True).start()

    def on_message(self, frame: Any) -> None:
        self.messages[shown(frame.body.encode())] = frame.headers
        is_again = frame.headers.get("redelivered") == "true"
        tell(0, "message", [frame.headers["subscription"], shown(frame.body.encode()), is_again])

    def on_receipt(self, frame: Any) -> None:
        receipt = self.receipts.pop(frame.headers["receipt-id"], None)
        if receipt is not None:
            receipt.set()

    def on_error(self, frame: Any) -> None:
        tell(0, "error", frame.headers["message"])

    def on_heartbeat(self) -> None:
        tell(0, "heartbeat", None)

    # What it is told

    def receipt(self) -> tuple[str, threading.Event]:
        name = f"receipt-{next(self.numbers)}"
        self.receipts[name] = threading.Event()
        return name, self.receipts[name]

    def subscribe(self, name: str, destination: str, ack: str) -> None:
        """Return when the broker has that."""
        self.subscriptions[name] = destination, ack
        receipt, received = self.receipt()
        self.connection.subscribe(destination, name, ack, receipt=receipt)
        received.wait()

    def send(self, destination: str, text: str, times: int) -> None:
        """Send *text*, as often in a row; return when the broker has it."""
        receipt, received = self.receipt()
        self.connection.send(destination, text * times, receipt=receipt)
        received.wait()

    def answer(self, what: str, text: str) -> None:
        """Acknowledge the message with that text, or not; return when the broker knows."""
        headers = self.messages.pop(text)
        names = ("ack",) if VERSION == "1.2" else ("message-id", "subscription")
        receipt, received = self.receipt()
        getattr(self.connection, what)(*(headers[name] for name in names), receipt=receipt)
        received.wait()

    def close(self) -> None:
        """Leave; return when the broker has taken leave, too."""
        self.is_closing = True
        self.connection.disconnect(receipt="bye")


obey(Client())
