"""Statistics in the text format of Prometheus, version 0.0.4."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from .stats import ServerStats, Stats

if TYPE_CHECKING:
    from .connection.connection import Connection
    from .server.server import Server

__all__ = ["Described", "Measured", "Metric", "prometheus"]


class Metric(NamedTuple):
    """A family of samples: its name, its help text, and the attribute with its value."""

    name: str
    help: str
    attribute: str
    # The label that distinguishes the samples of a mapping.
    label: str = ""

    @property
    def kind(self) -> str:
        return "counter" if self.name.endswith("_total") else "gauge"


class Described(Protocol):
    """Statistics that say themselves what their metrics are, as those of a hub do."""

    _METRICS: ClassVar[tuple[Metric, ...]]


class Measured(Protocol):
    """What has such statistics."""

    @property
    def stats(self) -> Described: ...


# Dashboards depend on these names: do not change them.
_OF_TRAFFIC = (
    Metric("wscore_messages_received_total", "Messages received.", "messages_received"),
    Metric("wscore_messages_sent_total", "Messages sent.", "messages_sent"),
    Metric("wscore_bytes_received_total", "Bytes of frames received.", "bytes_received"),
    Metric("wscore_bytes_sent_total", "Bytes of frames sent.", "bytes_sent"),
    Metric("wscore_pings_received_total", "Pings received.", "pings_received"),
    Metric("wscore_pings_sent_total", "Pings sent.", "pings_sent"),
    Metric("wscore_messages_dropped_total", "Messages dropped unsent.", "messages_dropped"),
    Metric("wscore_messages_waiting", "Messages received, not yet taken.", "messages_waiting"),
    Metric("wscore_bytes_unsent", "Bytes written, not yet sent.", "bytes_unsent"),
)
_OF_SERVERS = (
    Metric("wscore_connections", "Connections open or opening.", "connections"),
    Metric(
        "wscore_connections_accepted_total",
        "Connections within the limits.",
        "connections_accepted",
    ),
    Metric("wscore_handshakes_accepted_total", "Handshakes accepted.", "handshakes_accepted"),
    Metric(
        "wscore_handshakes_refused_total", "Handshakes refused.", "handshakes_refused", "reason"
    ),
    Metric("wscore_http_answers_total", "Plain HTTP requests answered.", "http_answers"),
    Metric("wscore_closes_total", "Connections closed, by the first code.", "closes", "code"),
)
_is_label = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*").fullmatch


def prometheus(
    source: Server | Connection | Measured | ServerStats | Stats | Described,
    labels: Mapping[str, str] | None = None,
) -> str:
    """Return the statistics of *source* as text for Prometheus, to be served as ``text/plain``.

    *source* is a server, a connection, a hub, or the ``stats`` of one. *labels* are added to
    every sample, to distinguish servers or processes. Raises ValueError for an invalid name of a
    label.
    """
    labels = {} if labels is None else labels
    for name in labels:
        if not _is_label(name):
            raise ValueError(f"not the name of a label: {name!r}")
    stats: Any = getattr(source, "stats", source)
    if isinstance(stats, Stats):
        return "".join(_families(_OF_TRAFFIC, stats, labels))
    if not isinstance(stats, ServerStats):
        return "".join(_families(stats._METRICS, stats, labels))
    of_server = _families(_OF_SERVERS, stats, labels)
    return "".join([*of_server, *_families(_OF_TRAFFIC, stats.traffic, labels)])


def _families(
    metrics: tuple[Metric, ...], stats: object, labels: Mapping[str, str]
) -> Iterator[str]:
    for metric in metrics:
        value = getattr(stats, metric.attribute)
        if value is None:  # not known yet
            continue
        yield f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"
        if not metric.label:
            yield _sample(metric.name, labels, value)
            continue
        for key, number in sorted(value.items()):
            yield _sample(metric.name, {**labels, metric.label: str(key)}, number)


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{pairs}}} {value}\n" if pairs else f"{name} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
