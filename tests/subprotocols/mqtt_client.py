"""``python mqtt_client.py URI 3.1.1|5``: a client of paho-mqtt that does as it is told.

It is told the same as ``node/mqtt.mjs``, and tells the same; see obeying.py.
"""

from __future__ import annotations

import sys
import threading
from typing import Any
from urllib.parse import urlsplit

from obeying import obey, shown, tell
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

URI, VERSION = sys.argv[1:]
WHERE = urlsplit(URI)


class Client:
    """One client, which comes back by itself."""

    def __init__(self) -> None:
        self.paho: Any = None
        # Message ids of subscriptions that were not answered yet.
        self.granted: dict[int, Any] = {}
        self.news = threading.Condition()

    def open(self, name: str, options: dict[str, Any]) -> None:
        """Connect as *name*; raises what goes wrong with the first attempt."""
        clean, is_new = options.get("clean", True), VERSION == "5"
        self.paho = PahoClient(
            CallbackAPIVersion.VERSION2,
            client_id=name,
            clean_session=None if is_new else clean,
            protocol=MQTTv5 if is_new else MQTTv311,
            transport="websockets" if WHERE.scheme == "ws" else "tcp",
        )
        self.paho.reconnect_delay_set(0.05, 0.2)
        if not options.get("subprotocol", True):
            self.paho.ws_set_options(path="/", headers=without_subprotocol)
        if "will" in options:
            self.paho.will_set(*options["will"], qos=1)
        self.paho.on_connect = lambda paho, data, flags, *rest: tell(
            0, "opened", flags.session_present
        )
        self.paho.on_disconnect = lambda paho, data, flags, reason, *rest: tell(
            0, "closed", str(reason)
        )
        self.paho.on_message = lambda paho, data, message: tell(
            0, "message", [message.topic, shown(message.payload), message.qos, message.retain]
        )
        self.paho.on_subscribe = self.subscribed
        fresh: dict[str, Any] = {}
        if is_new:
            fresh = {"clean_start": clean, "properties": Properties(PacketTypes.CONNECT)}
            fresh["properties"].SessionExpiryInterval = 0 if clean else 3600
        self.paho.connect(WHERE.hostname, WHERE.port, options.get("keepalive", 60), **fresh)
        self.paho.loop_start()

    def subscribed(self, paho: Any, data: Any, number: int, codes: Any, *rest: Any) -> None:
        with self.news:
            self.granted[number] = [code.value for code in codes]
            self.news.notify_all()

    def subscribe(self, topic: str, qos: int) -> int:
        """The quality that the broker grants."""
        _, number = self.paho.subscribe(topic, qos)
        with self.news:
            self.news.wait_for(lambda: number in self.granted)
            return int(self.granted[number][0])

    def publish(self, topic: str, text: str, times: int, options: dict[str, Any]) -> None:
        """Publish *text*, as often in a row; with QoS 1 or 2, wait until the broker has it."""
        self.paho.publish(topic, text * times, **options).wait_for_publish()

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


def without_subprotocol(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not name.endswith("Protocol")}


obey(Client())
