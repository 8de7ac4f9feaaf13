"""``modelmesh keys``: who may use the gateway, for what, and how much of it."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeVar

from .exits import Exit, UsageError
from .meshes import open_storage
from .parser import Commands, time_span, whole_number
from .words import moment

if TYPE_CHECKING:
    from ..keys import AccessKey, KeyStore, NewKey
    from ..limits import BudgetSettings, QuotaSettings
    from .output import Output

T = TypeVar("T")

_EXAMPLES = """\
  modelmesh keys create --name search-team --pools chat --budget 5/day --rpm 60 --tpm 100000 --expires 30d
  modelmesh keys rotate search-team --grace 1h
  modelmesh keys revoke search-team
"""


def declare(commands: Commands) -> None:
    group = commands.group("keys", "make, list, revoke and rotate the keys of the gateway's callers")
    create = group.add(
        "create",
        run_create,
        "make a key; its token is shown once",
        details="The gateway accepts keys where the configuration says proxy.auth.keys: true.",
        examples=_EXAMPLES,
    )
    create.add_argument("--name", metavar="NAME", required=True, help="who it is for; in logs, statistics and quotas")
    create.add_argument("--pools", metavar="A,B", type=_names, default=(), help="it may ask these pools only")
    create.add_argument(
        "--models", metavar="A,B", type=_names, default=(), help="these models only: full ids, or patterns (openai.*)"
    )
    create.add_argument(
        "--endpoints", metavar="A,B", type=_names, default=(), help="these paths only, such as /v1/embeddings"
    )
    create.add_argument(
        "--budget",
        metavar="USD/PERIOD",
        type=_money,
        action="append",
        default=[],
        help="money in all: 5/day or 100/month, or 0.10/request for what one request may cost; can be repeated",
    )
    count = whole_number(1, 10**12)
    for flag, what in _COUNTS:
        create.add_argument(f"--{flag}", metavar="N", type=count, help=what)
    create.add_argument("--timezone", metavar="ZONE", default="UTC", help="where its days begin; default: UTC")
    create.add_argument("--expires", metavar="TIME", type=time_span, help="from now, such as 30d; default: never")
    create.add_argument(
        "--metadata",
        metavar="NAME=VALUE",
        type=_pair,
        action="append",
        default=[],
        help="goes into the record of every request; can be repeated",
    )
    group.add("list", run_list, "list the keys and what they may do; tokens are not shown again")
    revoke = group.add("revoke", run_revoke, "accept a key no more")
    revoke.add_argument("name", metavar="NAME")
    rotate = group.add("rotate", run_rotate, "give a key a new token; what it may do and has used stays")
    rotate.add_argument("name", metavar="NAME")
    rotate.add_argument(
        "--grace", metavar="TIME", type=time_span, default=0.0, help="how long the old token is still good; default: 0"
    )


_COUNTS = (
    ("rpm", "requests per minute"),
    ("rpd", "requests per day"),
    ("tpm", "tokens per minute"),
    ("tpd", "tokens per day"),
    ("concurrent", "requests at once"),
)


def run_create(arguments: Namespace, output: Output) -> int:
    from ..config.schema import ENDPOINTS
    from ..keys import AccessKey

    unknown = [path for path in arguments.endpoints if path not in ENDPOINTS]
    if unknown:
        raise UsageError(f"no endpoint is named {', '.join(unknown)}; there are {', '.join(ENDPOINTS)}.")

    async def create(keys: KeyStore) -> NewKey:
        key = AccessKey(
            arguments.name,
            0.0,
            expires_at=None if arguments.expires is None else keys.now() + arguments.expires,
            pools=arguments.pools,
            models=arguments.models,
            endpoints=arguments.endpoints,
            quota=_quota(arguments),
            budget=_budget(arguments),
            metadata=dict(arguments.metadata),
        )
        return await keys.create(key)

    return _show_token(_with_keys(arguments, output, create), arguments, output)


def run_rotate(arguments: Namespace, output: Output) -> int:
    async def rotate(keys: KeyStore) -> NewKey:
        return await keys.rotate(arguments.name, arguments.grace)

    return _show_token(_with_keys(arguments, output, rotate), arguments, output)


def _show_token(made: NewKey, arguments: Namespace, output: Output) -> int:
    if arguments.json:
        output.json({"token": made.token, **made.key.describe(made.key.created_at)})
        return Exit.SUCCESS
    output.text(made.token)
    output.note(f"This is the token of {made.key.name}. It is kept nowhere, and cannot be shown again.")
    return Exit.SUCCESS


def run_list(arguments: Namespace, output: Output) -> int:
    async def listed(keys: KeyStore) -> tuple[Sequence[AccessKey], float]:
        return await keys.list(), keys.now()

    keys, now = _with_keys(arguments, output, listed)
    if arguments.json:
        output.json([key.describe(now) for key in keys])
        return Exit.SUCCESS
    if not keys:
        output.text("There are no keys. `modelmesh keys create --name NAME` makes one.")
        return Exit.SUCCESS
    output.table(("name", "state", "expires", "may use", "limits"), [_row(key, now) for key in keys])
    return Exit.SUCCESS


def run_revoke(arguments: Namespace, output: Output) -> int:
    async def revoke(keys: KeyStore) -> tuple[AccessKey, float]:
        return await keys.revoke(arguments.name), keys.now()

    key, now = _with_keys(arguments, output, revoke)
    if arguments.json:
        output.json(key.describe(now))
        return Exit.SUCCESS
    output.text(f"{arguments.name} is revoked. Gateways that share the storage refuse it within a second or so.")
    return Exit.SUCCESS


def _row(key: AccessKey, now: float) -> tuple[object, ...]:
    scope = ", ".join((*key.pools, *key.models, *key.endpoints)) or "everything"
    expires = None if key.expires_at is None else moment(key.expires_at, now)
    return key.name, key.state(now), expires, scope, ", ".join(_limits(key)) or "none"


def _limits(key: AccessKey) -> list[str]:
    told: list[str] = []
    if key.budget is not None:
        for period, field in _PERIODS.items():
            amount: Decimal | None = getattr(key.budget, field)
            if amount is not None:
                told.append(f"{amount:f} USD/{period}")
    if key.quota is not None:
        told += [f"{value} {flag}" for flag, field in _FIELDS.items() if (value := getattr(key.quota, field))]
    return told


# --- what the flags mean ---------------------------------------------------------------------------------------------

_PERIODS = {"request": "per_request_limit", "day": "daily_limit", "month": "monthly_limit"}
_FIELDS = {
    "rpm": "requests_per_minute",
    "rpd": "requests_per_day",
    "tpm": "tokens_per_minute",
    "tpd": "tokens_per_day",
    "concurrent": "concurrent",
}


def _quota(arguments: Namespace) -> QuotaSettings | None:
    from ..limits import QuotaSettings

    stated = {field: getattr(arguments, flag) for flag, field in _FIELDS.items()}
    if not any(stated.values()):
        return None
    return QuotaSettings(**stated, timezone=_zone(arguments))


def _budget(arguments: Namespace) -> BudgetSettings | None:
    from ..limits import BudgetSettings

    if not arguments.budget:
        return None
    amounts: dict[str, Any] = {_PERIODS[period]: amount for amount, period in arguments.budget}
    return BudgetSettings(**amounts, timezone=_zone(arguments))


def _zone(arguments: Namespace) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(arguments.timezone)
    except (ValueError, OSError, KeyError) as error:
        raise UsageError(f"there is no time zone {arguments.timezone!r}; Europe/Berlin is one.") from error
    return arguments.timezone


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _money(text: str) -> tuple[Decimal, str]:
    amount, _, period = text.partition("/")
    try:
        usd = Decimal(amount)
    except InvalidOperation:
        usd = Decimal(0)
    if period not in _PERIODS or not usd.is_finite() or usd <= 0:
        raise ArgumentTypeError(f"{text!r} is no budget: 5/day, 100/month and 0.10/request are")
    return usd, period


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise ArgumentTypeError(f"{text!r} is no NAME=VALUE")
    return name, value


# --- the storage -----------------------------------------------------------------------------------------------------


def _with_keys(arguments: Namespace, output: Output, work: Callable[[KeyStore], Awaitable[T]]) -> T:
    """What ``work`` gives. Notes where the gateway would not look at keys."""
    import asyncio

    from ..keys import KeyStore
    from ..values import SystemClock

    async def run() -> T:
        async with open_storage(arguments) as (config, storage):
            if not config.proxy.auth.keys:
                output.note("The configuration has no proxy.auth.keys: true: the gateway takes no notice of keys.")
            return await work(KeyStore(storage, SystemClock(), config.proxy.auth.hash_key))

    return asyncio.run(run())
