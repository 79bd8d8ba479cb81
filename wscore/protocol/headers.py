"""Header fields: a multi-dict, and the grammars of the fields that handshakes use.

Every parser makes a single pass: a match begins where the last one ended.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Protocol, TypeAlias, Union

from ..errors import InvalidHeader, InvalidMessage
from .origins import Origins

__all__ = [
    "ExtensionHeader",
    "Headers",
    "HeadersLike",
    "MultipleValuesError",
    "Origins",
    "SupportsKeysAndGetItem",
    "build_authorization_basic",
    "build_extensions",
    "build_subprotocols",
    "is_field_value",
    "is_token",
    "parse_authorization_basic",
    "parse_connection",
    "parse_extension_list",
    "parse_extensions",
    "parse_subprotocols",
    "parse_upgrade",
]

ExtensionHeader: TypeAlias = tuple[str, list[tuple[str, str | None]]]
"""A name and its parameters, in order. A parameter without a value has None."""
# A type at run time, too: applications write `HeadersLike | None`.
HeadersLike: TypeAlias = Union[
    "Headers", Mapping[str, str], Iterable[tuple[str, str]], "SupportsKeysAndGetItem"
]
"""What `Headers` can be made of."""


class SupportsKeysAndGetItem(Protocol):
    """What `dict` takes for a mapping."""

    def keys(self) -> Iterable[str]:
        """The names."""

    def __getitem__(self, name: str, /) -> str:
        """The value of *name*."""


# RFC 9110 5.6.2 and 5.5: HTAB, SP, VCHAR and obs-text, so neither CR, LF nor NUL.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_is_token = re.compile(_TOKEN).fullmatch
_is_field_value = re.compile(r"[\t -~\x80-\xff]*").fullmatch
# Headers whose values are secrets.
_SECRET = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie"})

# A whole line: no folding, no space before the colon, and a value without surrounding space.
# No run of spaces can match in two ways, so that a failure takes a single pass, too.
_VISIBLE = r"[!-~\x80-\xff]"
_field_lines = re.compile(
    rf"(?:\A|(?<=\r\n))({_TOKEN}):[ \t]*"
    rf"(?:({_VISIBLE}(?:[\t -~\x80-\xff]*{_VISIBLE})?)[ \t]*)?(?:\r\n|\Z)"
).findall

# RFC 9110 7.8: protocol-name ["/" protocol-version].
_is_upgrade_protocol = re.compile(f"{_TOKEN}(?:/{_TOKEN})?").fullmatch

# RFC 6455 9.1, piece by piece. Empty list elements are part of separators (RFC 9110 5.6.1).
_extension_name = re.compile(rf"[ \t,]*({_TOKEN})[ \t]*").match
_extension_param = re.compile(
    rf";[ \t]*({_TOKEN})[ \t]*(?:=[ \t]*(?:({_TOKEN})"
    r'|"((?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*)")[ \t]*)?'
).match
_unquote = re.compile(r"\\(.)").sub

_has_control = re.compile(r"[\x00-\x1f\x7f]").search


def is_token(text: str) -> bool:
    """Whether *text* is a token (RFC 9110 5.6.2)."""
    return _is_token(text) is not None


def is_secret(name: str) -> bool:
    """Whether the value of the header *name* is nothing to be logged or shown."""
    return name.lower() in _SECRET


def _shown(name: object, value: object) -> str:
    """What an error says of *value*: errors are logged, and secrets must not be."""
    hidden = isinstance(name, str) and is_secret(name)
    return "the value given" if hidden else repr(value)


def is_field_value(text: str) -> bool:
    """Whether *text* is valid, as written on the wire, in a header's value or a reason phrase."""
    return _is_field_value(text) is not None


def reduce_slots(self: object, protocol: Any) -> str | tuple[Any, ...]:
    """`object.__reduce_ex__` that has slots pickled by the oldest protocols, too."""
    return object.__reduce_ex__(self, max(protocol, 2))


class MultipleValuesError(LookupError):
    """A single value was requested of a header that occurs several times."""


class Headers(MutableMapping[str, str]):
    """Ordered header fields. Names are case-insensitive.

    ``headers[name]`` is the only value. It raises KeyError if there is none, MultipleValuesError
    if there are several. ``headers[name] = value`` adds a value; ``del`` removes all of them.
    Names and values that cannot be sent unchanged raise ValueError, so a Headers is always safe to
    serialize. Values are text of ISO-8859-1.
    """

    __slots__ = ("_index", "_items")
    __reduce_ex__ = reduce_slots

    def __init__(self, *headers: HeadersLike, **values: str) -> None:
        self._items: list[tuple[str, str]] = []
        # Lower-case name to values.
        self._index: dict[str, list[str]] = {}
        if headers or values:
            self.update(*headers, **values)

    @classmethod
    def parse(cls, text: str) -> Headers:
        """Parse the field lines of a received head, separated by CRLF.

        Raises InvalidMessage: no colon, a name that is not a token (hence also a folded line, or
        a space before the colon), a control character in a value.
        """
        self = cls()
        if not text:
            return self
        self._items = _field_lines(text)
        if len(self._items) <= text.count("\r\n"):
            raise InvalidMessage("malformed header")
        index = self._index
        for name, value in self._items:
            lower = name.lower()
            if lower in index:
                index[lower].append(value)
            else:
                index[lower] = [value]
        return self

    def __getitem__(self, name: str) -> str:
        values = self._index[name.lower()]
        if len(values) > 1:
            raise MultipleValuesError(name)
        return values[0]

    def __setitem__(self, name: str, value: str) -> None:
        try:
            if not _is_token(name):
                raise ValueError(f"header name is not a token: {name!r}")
            if not _is_field_value(value):
                raise ValueError(f"{name} header cannot carry {_shown(name, value)}")
        except TypeError:
            shown = _shown(name, value)
            message = f"name and value of a header must be str, not {name!r} and {shown}"
            raise TypeError(message) from None
        self._items.append((name, value))
        self._index.setdefault(name.lower(), []).append(value)

    def __delitem__(self, name: str) -> None:
        lower = name.lower()
        del self._index[lower]
        self._items = [item for item in self._items if item[0].lower() != lower]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def __eq__(self, other: object) -> bool:
        return self._index == other._index if isinstance(other, Headers) else NotImplemented

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._items!r})"

    def __str__(self) -> str:
        return "".join([f"{name}: {value}\r\n" for name, value in self._items]) + "\r\n"

    def update(self, *headers: HeadersLike, **values: str) -> None:
        """Add all *headers*: each a Headers, a mapping or pairs. Raises TypeError, ValueError."""
        for more in headers:
            for pair in more._items if isinstance(more, Headers) else _pairs(more):
                # A str of two letters would pass as a pair.
                if isinstance(pair, (str, bytes)):
                    raise TypeError(f"headers must be a mapping or pairs of str, not {more!r}")
                name, value = pair
                self[name] = value
        for name, value in values.items():
            self[name] = value

    def add_missing(self, headers: Iterable[tuple[str, str]]) -> None:
        """Add those of *headers*, checked already, whose names do not occur yet."""
        for name, value in headers:
            if name.lower() not in self._index:
                self._items.append((name, value))
                self._index[name.lower()] = [value]

    def clear(self) -> None:
        """Remove all fields."""
        self._items.clear()
        self._index.clear()

    def copy(self) -> Headers:
        """Return an independent copy."""
        copy = Headers()
        copy._items = self._items.copy()
        copy._index = {name: values.copy() for name, values in self._index.items()}
        return copy

    __copy__ = copy

    def get_all(self, name: str) -> list[str]:
        """Return every value of *name*, in order."""
        return list(self._index.get(name.lower(), ()))

    def raw_items(self) -> Iterator[tuple[str, str]]:
        """Iterate over (name, value) pairs, one for each line, in order."""
        return iter(self._items)

    def serialize(self) -> bytes:
        """Return the fields as sent on the wire, including the empty line at the end."""
        return str(self).encode("latin-1")


def _pairs(headers: Any) -> Iterable[Any]:
    """The fields of what is no Headers."""
    if isinstance(headers, Mapping):
        return headers.items()
    if hasattr(headers, "keys"):
        return dict(headers).items()
    return (headers,) if isinstance(headers, (str, bytes)) else headers


# Lists (RFC 9110 5.6.1). Several lines form one list, but no element spans two lines.


def _parse_list(
    headers: Headers, name: str, is_element: Callable[[str], object | None]
) -> list[str]:
    elements = []
    for value in headers.get_all(name):
        found = [stripped for part in value.split(",") if (stripped := part.strip(" \t"))]
        if not found or not all(map(is_element, found)):
            raise InvalidHeader(name, value)
        elements += found
    return elements


def parse_connection(headers: Headers) -> list[str]:
    """Parse Connection; return an empty list if it is missing. Raises InvalidHeader."""
    return _parse_list(headers, "Connection", _is_token)


def parse_upgrade(headers: Headers) -> list[str]:
    """Parse Upgrade, whose elements may have a version. Raises InvalidHeader."""
    return _parse_list(headers, "Upgrade", _is_upgrade_protocol)


def parse_subprotocols(headers: Headers) -> list[str]:
    """Parse Sec-WebSocket-Protocol. Raises InvalidHeader, also for duplicates (RFC 6455 4.1)."""
    subprotocols = _parse_list(headers, "Sec-WebSocket-Protocol", _is_token)
    if len(set(subprotocols)) != len(subprotocols):
        raise InvalidHeader("Sec-WebSocket-Protocol", ", ".join(subprotocols))
    return subprotocols


def build_subprotocols(subprotocols: Sequence[str]) -> str:
    """Build Sec-WebSocket-Protocol.

    Raises ValueError if *subprotocols* is empty or has a duplicate or an element that is not a
    token, TypeError if it is a str.
    """
    if isinstance(subprotocols, str):
        raise TypeError("subprotocols must be a list, not a str")
    if not subprotocols or len(set(subprotocols)) != len(subprotocols):
        raise ValueError("subprotocols must have at least one element and no duplicates")
    return ", ".join(map(_check_token, subprotocols))


# Extensions (RFC 6455 9.1)


def parse_extensions(headers: Headers) -> list[ExtensionHeader]:
    """Parse Sec-WebSocket-Extensions, in order. Raises InvalidHeader."""
    extensions: list[ExtensionHeader] = []
    for value in headers.get_all("Sec-WebSocket-Extensions"):
        extensions += parse_extension_list(value)
    return extensions


def parse_extension_list(value: str) -> list[ExtensionHeader]:
    """Parse one value of Sec-WebSocket-Extensions. Raises InvalidHeader."""
    extensions: list[ExtensionHeader] = []
    end = len(value.rstrip(" \t,"))
    position = 0
    while position < end or not extensions:
        name = _extension_name(value, position)
        if name is None:
            raise InvalidHeader("Sec-WebSocket-Extensions", value)
        position = name.end()
        params: list[tuple[str, str | None]] = []
        while param := _extension_param(value, position):
            position = param.end()
            params.append((param[1], _param_value(value, param)))
        if position < len(value) and value[position] != ",":
            raise InvalidHeader("Sec-WebSocket-Extensions", value)
        extensions.append((name[1], params))
    return extensions


def _param_value(value: str, param: re.Match[str]) -> str | None:
    """Return the value of *param*. A quoted value must be a token once unquoted (RFC 6455 9.1)."""
    quoted = param[3]
    if quoted is None:
        return param[2]
    unquoted = _unquote(r"\1", quoted)
    if not _is_token(unquoted):
        raise InvalidHeader("Sec-WebSocket-Extensions", value)
    return unquoted


def build_extensions(extensions: Sequence[ExtensionHeader]) -> str:
    """Build Sec-WebSocket-Extensions. Raises ValueError for a part that is not a token."""
    return ", ".join([_build_extension(name, params) for name, params in extensions])


def _build_extension(name: str, params: Sequence[tuple[str, str | None]]) -> str:
    written = [_check_token(name)]
    for param, value in params:
        _check_token(param)
        written.append(param if value is None else f"{param}={_check_token(value)}")
    return "; ".join(written)


def _check_token(text: str) -> str:
    if not _is_token(text):
        raise ValueError(f"not a token: {text!r}")
    return text


# Basic authentication (RFC 7617), always in UTF-8.


def build_authorization_basic(username: str, password: str) -> str:
    """Build Authorization. Raises ValueError for a colon in *username* or control characters."""
    if ":" in username:
        raise ValueError("a user name cannot contain a colon")
    if _has_control(username + password):
        raise ValueError("credentials cannot contain control characters")
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def parse_authorization_basic(value: str) -> tuple[str, str]:
    """Parse user name and password from Authorization.

    Raises InvalidHeader with status 401, whose text does not contain the credentials.
    """
    scheme, _, encoded = value.partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(" "), validate=True).decode()
    except ValueError:
        decoded = ""
    username, colon, password = decoded.partition(":")
    if scheme.lower() != "basic" or not colon or _has_control(decoded):
        raise InvalidHeader("Authorization", "(not Basic)", 401)
    return username, password
