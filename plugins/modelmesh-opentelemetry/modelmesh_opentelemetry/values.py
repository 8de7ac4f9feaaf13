"""Plain values as OTLP's messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Value = str | bool | int | float
Attributes = Mapping[str, Value | None]


def key_values(attributes: Attributes) -> Iterable[KeyValue]:
    """Those that have a value."""
    return [KeyValue(key=key, value=_any(value)) for key, value in attributes.items() if value is not None]


def encoded(field: int, attributes: Attributes) -> bytes:
    """The same as ``repeated KeyValue`` number ``field`` of a message, in bytes: to be added to the message's own.

    Most attributes are the same for many spans; making their messages anew would be most of what a span costs.
    """
    return b"".join([_encoded(field, key, value) for key, value in attributes.items() if value is not None])


@lru_cache(4096, typed=True)
def _encoded(field: int, key: str, value: Value) -> bytes:
    return delimited(field, KeyValue(key=key, value=_any(value)).SerializeToString())


def delimited(field: int, content: bytes) -> bytes:
    """``content`` as the message number ``field`` (of at most 15) of another one."""
    length, head = len(content), bytearray((field << 3 | 2,))
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + content


def _any(value: Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=clean(value))


def clean(text: str) -> str:
    """``text`` as protobuf takes it: half a surrogate pair, which JSON can hold, becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def nanoseconds(seconds: float) -> int:
    """UTC epoch seconds as OTLP counts them."""
    return max(0, round(seconds * 1_000_000) * 1000)
