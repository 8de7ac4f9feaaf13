"""Single values: how each kind is read, and how a JSON Schema describes it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

import attrs

from ..values import Secret, parse_duration, parse_size
from .mistakes import WrongValueError, did_you_mean
from .references import Reference, SecretText
from .schema import ENDPOINTS

_WHOLE = re.compile(r"[-+]?[0-9]{1,40}")
_NUMBER = re.compile(r"[-+]?([0-9]{1,40}(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_URL = re.compile(
    r"(https?://)?(?P<account>[^\s/?#@]*@)?([^\s/?#@:]*|\[[0-9a-fA-F:.]+\])(:\d+)?([/?#]\S*)?", re.IGNORECASE
)
_DURATION = "a duration such as 500ms, 1.5s, 2m, 1h or 7d"
_SIZE = "a size such as 512KB or 32MB"
_QUOTES = " Put it in quotes."


def plain(text: str) -> Any:
    """What a text that came out of a reference would be, had it been written in the file without quotes."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def read_string(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise WrongValueError("a text", value, _QUOTES if isinstance(value, (bool, int, float)) else "")


def read_whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    is_quoted = isinstance(value, str) and _WHOLE.fullmatch(value)
    raise WrongValueError("a whole number", value, " Leave the quotes out." if is_quoted else "")


def read_number(value: Any) -> float:
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    is_quoted = isinstance(value, str) and _NUMBER.fullmatch(value)
    raise WrongValueError("a number", value, " Leave the quotes out." if is_quoted else "")


def read_money(value: Any) -> Decimal:
    if isinstance(value, (int, float, str, Decimal)) and not isinstance(value, bool):
        try:
            amount = value if isinstance(value, Decimal) else Decimal(str(value))
        except (InvalidOperation, ValueError):
            amount = Decimal("NaN")
        if amount.is_finite():
            return amount
    raise WrongValueError("an amount in USD such as 0.15", value)


def read_truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    meant = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}.get(word)
    raise WrongValueError("true or false", value, f" Did you mean {meant}?" if meant else "")


def read_duration(value: Any) -> float:
    if isinstance(value, (int, float, str)):
        try:
            seconds = parse_duration(value)
        except (ValueError, OverflowError):
            seconds = math.inf  # said below in our own words, which do not repeat the value at full length
        if math.isfinite(seconds):
            return seconds
    raise WrongValueError(_DURATION, value)


def read_size(value: Any) -> int:
    if isinstance(value, (int, str)):
        try:
            return parse_size(value)
        except (ValueError, OverflowError):
            pass  # said below, shortened
    raise WrongValueError(_SIZE, value)


def read_secret(value: Any) -> Secret:
    if isinstance(value, Secret) and value:
        return value
    if isinstance(value, str) and value:
        return Secret(value)
    raise WrongValueError(
        "a text that is not empty", value, _QUOTES if isinstance(value, (int, float)) else "", hide=True
    )


def read_url(value: Any) -> str:
    match = _URL.fullmatch(value) if isinstance(value, str) else None
    if not value or match is None:
        raise WrongValueError("an address such as https://api.example.com/v1", value)
    if match["account"]:
        raise WrongValueError("an address without a user name or a password", value, hide=True)
    return match[0]


def read_time_zone(value: Any) -> str:
    name = read_string(value)
    if not _is_time_zone(name[:100]):
        from zoneinfo import available_timezones

        raise WrongValueError(
            "the name of a time zone such as Europe/Berlin", name, did_you_mean(name, available_timezones())
        )
    return name


@cache
def _is_time_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except Exception:  # besides its own error it lets those of the file system through
        return False
    return True


def read_cron(value: Any) -> str:
    from datetime import UTC, datetime

    from cronsim import CronSim, CronSimError

    expression = read_string(value)
    try:
        if len(expression.split()) != 5:
            raise CronSimError("wrong number of fields")
        CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError) as error:
        raise WrongValueError(
            "five cron fields (minute, hour, day, month, weekday) such as '0 3 * * 1'",
            expression,
            f" cron says: {str(error)[:60].lower()}.",
        ) from None
    return expression


def read_error_code(value: Any) -> int | str:
    if isinstance(value, str) and value in ("timeout", "connection"):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
        return value
    hint = did_you_mean(value, ("timeout", "connection")) if isinstance(value, str) else ""
    raise WrongValueError("an HTTP status from 400 to 599, timeout or connection", value, hint)


def read_sha256(value: Any) -> str:
    if isinstance(value, str) and _SHA256.fullmatch(value):
        return value.lower()
    hint = "" if isinstance(value, str) else _QUOTES
    raise WrongValueError("the file's SHA-256 in 64 hexadecimal digits", value, hint)


def read_endpoint(value: Any) -> str:
    if isinstance(value, str) and value in ENDPOINTS:
        return value
    hint = did_you_mean(value, ENDPOINTS) if isinstance(value, str) else ""
    raise WrongValueError("an endpoint such as /v1/chat/completions", value, hint)


def read_path(value: Any) -> Path:
    return value if isinstance(value, Path) else Path(read_string(value))


@attrs.frozen
class Scalar:
    """One kind of single value."""

    read: Callable[[Any], Any]
    """Gives the value, or raises WrongValueError."""
    schema: Mapping[str, Any]
    """Its JSON Schema."""


_TEXT = {"type": "string"}
_DURATION_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d|w)\s*$"},
        {"type": "number", "minimum": 0},
    ],
    "description": "A duration such as 500ms, 1.5s, 2m, 1h or 7d; a bare number is seconds.",
}
_SIZE_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([bB]|[kKmMgG][bB])\s*$"},
        {"type": "integer", "minimum": 0},
    ],
    "description": "A size such as 512KB or 32MB (1 KB is 1024 bytes); a bare number is bytes.",
}
_ERROR_CODE_SCHEMA = {
    "anyOf": [{"type": "integer", "minimum": 400, "maximum": 599}, {"enum": ["timeout", "connection"]}]
}

SCALARS: Mapping[type, Scalar] = {
    str: Scalar(read_string, _TEXT),
    bool: Scalar(read_truth, {"type": "boolean"}),
    int: Scalar(read_whole, {"type": "integer"}),
    float: Scalar(read_number, {"type": "number"}),
    Decimal: Scalar(read_money, {"type": ["number", "string"]}),
    Secret: Scalar(read_secret, {**_TEXT, "minLength": 1}),
    Path: Scalar(read_path, _TEXT),
}
"""By type."""

MARKED: Mapping[str, Scalar] = {
    "duration": Scalar(read_duration, _DURATION_SCHEMA),
    "size": Scalar(read_size, _SIZE_SCHEMA),
    "time zone": Scalar(read_time_zone, _TEXT),
    "cron": Scalar(read_cron, _TEXT),
    "url": Scalar(read_url, {**_TEXT, "minLength": 1}),
    "sha256": Scalar(read_sha256, {**_TEXT, "pattern": "^[0-9a-fA-F]{64}$"}),
    "error code": Scalar(read_error_code, _ERROR_CODE_SCHEMA),
    "endpoint": Scalar(read_endpoint, {"enum": list(ENDPOINTS)}),
}
"""By the marker of an ``Annotated`` type."""


def tolerant(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``read``, but for values that a reference stands for: before it is filled in, and after."""

    def read_any(value: Any) -> Any:
        if isinstance(value, Reference):
            return value
        if not isinstance(value, Secret):
            return read(value)
        text = value.reveal()
        expected = ""
        for candidate in dict.fromkeys((text, plain(text))):
            try:
                result = read(candidate)
            except WrongValueError as error:
                expected = error.expected
            else:
                return SecretText(result) if isinstance(result, str) else result
        raise WrongValueError(expected, value)

    return read_any
