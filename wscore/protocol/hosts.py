"""Hosts of URIs: IP addresses, and names in the ASCII form that the DNS has (RFC 3986 3.2.2).

Names that are not ASCII are converted as browsers do: UTS 46, non-transitional, as the URL
standard of the WHATWG has it. Python's own "idna" codec knows IDNA 2003 only, which takes ``faß``
for ``fass``: another name, with another owner.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote

from ..errors import InvalidURI

__all__ = ["ascii_host", "ascii_name", "bracketed", "host_and_port", "split_host_and_port",
           "tls_name", "without_zone"]  # fmt: skip

# A label has 63 characters at most, a name 253 without the dot of the root (RFC 1035 2.3.4).
_LABEL = r"[a-z0-9_~!$&'()*+,;=-]{1,63}"
_is_host_name = re.compile(rf"(?!.{{253}}[^.]|.{{254}}.){_LABEL}(?:\.{_LABEL})*\.?").fullmatch
# A zone begins with "%25" (RFC 6874 2), or as people write it elsewhere, with a "%" that no two
# hexadecimal digits follow (RFC 6874 3).
_bracketed = re.compile(r"\[([0-9A-Fa-f:.]+)(?:%(?:25|(?![0-9A-Fa-f]{2}))([^\[\]]+))?\]").fullmatch
_is_zone = re.compile(r"[!-$&-.0-Z\\^-~]+").fullmatch  # visible ASCII without "%", "/", "[", "]"
_JOINERS = "\u200c\u200d"


def ascii_host(host: str) -> str:
    """Return the host of a URI as sockets take it: an IP address without brackets, or a name.

    A zone of an IPv6 address follows a ``%``. Raises InvalidURI.
    """
    try:
        if host.startswith("["):
            return _address(host)
        return ascii_name(unquote(host, errors="strict") if "%" in host else host)
    except InvalidURI:
        raise
    except ValueError:
        raise InvalidURI(f"malformed host {host[:100]!r}") from None


def _address(host: str) -> str:
    match = _bracketed(host)
    if match is None:
        raise ValueError
    address = ipaddress.IPv6Address(match[1]).compressed
    if match[2] is None:
        return address
    zone = unquote(match[2], errors="strict")
    if not _is_zone(zone):
        raise ValueError
    return f"{address}%{zone}"


def ascii_name(name: str) -> str:
    """Return *name* in lower case and in its ASCII form. Raises InvalidURI."""
    if not name:
        raise InvalidURI("host is missing")
    try:
        found = name.lower() if name.isascii() else _to_ascii(name)
    except InvalidURI:
        raise
    except ValueError:  # what idna raises is one
        found = ""
    if not _is_host_name(found):
        raise InvalidURI(f"malformed host {name[:100]!r}")
    return found


def _to_ascii(name: str) -> str:
    """UTS 46 section 4, ToASCII. Raises ValueError, InvalidURI."""
    try:
        import idna
    except ImportError as error:
        advice = "pip install 'wscore-engine[idna]'"
        raise InvalidURI(f"the host is not ASCII, and idna is not installed: {advice}") from error
    return ".".join(map(_a_label, idna.uts46_remap(name, std3_rules=False).split(".")))


def _a_label(label: str) -> str:
    """Check and convert a label; UTS 46 section 4.1 allows more than RFC 5891, such as ``☃``."""
    import idna

    if label.isascii():
        return label
    if label.startswith("xn--"):
        raise ValueError
    idna.check_initial_combiner(label)
    idna.check_bidi(label)
    for position, character in enumerate(label):
        if character in _JOINERS and not idna.valid_contextj(label, position):
            raise ValueError
    return "xn--" + label.encode("punycode").decode()


def without_zone(host: str) -> str:
    """Return *host* as peers see it: a zone has a meaning on this machine only (RFC 6874 4)."""
    return host.partition("%")[0]


def tls_name(host: str) -> str:
    """Return *host* as TLS takes it: neither a zone nor the dot of the root (RFC 6066 3)."""
    return without_zone(host).removesuffix(".")


def bracketed(host: str) -> str:
    """Return *host* as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def host_and_port(host: str, port: int) -> str:
    """Join both as people write them; `split_host_and_port` takes them apart."""
    return f"{bracketed(host)}:{port}"


def split_host_and_port(text: str) -> tuple[str, str]:
    """Return the host in *text*, without brackets, and what stands for the port.

    Raises ValueError unless there are both, with brackets around IPv6 and nothing else.
    """
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not bare or not port or bracketed(bare) != host:
        raise ValueError("not HOST:PORT, with brackets around IPv6")
    return bare, port
