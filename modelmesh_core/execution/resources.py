"""Calls about what a provider keeps for its account: the provider that holds it is found, remembered and asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlencode

import attrs

from ..errors import Failure, FailureKind, ModelMeshError, NoActiveModelError, ProviderError, provider_error
from ..interfaces.provider import ProviderCall, ResourceRequest
from ..interfaces.records import AttemptRecord, DecisionRecord
from ..interfaces.traces import trace_headers
from ..wire.messages import Body, Operation, Reply
from .provider_service import ProviderService
from .retry import TABLE

if TYPE_CHECKING:
    from .router import Router

REMEMBERED = 100_000
"""Objects whose provider is remembered. Others are found by asking."""
DEADLINE = 600.0
"""Seconds, for a caller who sets none."""
_ELSEWHERE = frozenset({404, 405, 501})
"""Statuses by which a provider says that it has no such object, or nothing of the kind."""
_NOT_THE_CALLERS = frozenset({401, 402, 403, 408, 429})


@attrs.define(slots=True)
class ResourceCall:
    """What a caller asks of whatever provider keeps it."""

    operation: Operation
    request: ResourceRequest
    object_id: str | None = None
    """The object that is addressed, that a new one is made of, or after which a list goes on: its holder is asked."""
    lists: bool = False
    """Whether the objects are listed. Of several providers, one's list follows the other's."""
    provider: str | None = None
    """Name of the provider to ask, where the caller says it."""
    id: str = ""
    timeout: float | None = None
    """Seconds."""
    key: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None


@attrs.frozen
class ResourceAnswer:
    """The provider's answer, with its story."""

    reply: Reply
    provider: str
    record: DecisionRecord


class Resources:
    """Finds the provider of an object: the one that is remembered, or the first that knows it."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._holders: OrderedDict[str, str] = OrderedDict()

    def remember(self, object_id: str, provider: str) -> None:
        """``provider`` holds the object."""
        self._holders[object_id] = provider
        self._holders.move_to_end(object_id)
        if len(self._holders) > REMEMBERED:
            self._holders.popitem(last=False)

    async def ask(self, call: ResourceCall) -> ResourceAnswer:
        """The answer. Raises ProviderError, or NoActiveModelError where no provider keeps such things."""
        run = _ResourceRun(self._router, call, self._in_order(call))
        reply, provider = await run.until_answered()
        for object_id in _named_in(reply.body):
            self.remember(object_id, provider)
        return ResourceAnswer(reply, provider, run.record)

    def _in_order(self, call: ResourceCall) -> list[ProviderService]:
        """Who is asked: the one that the caller names, else the holder first; those that are down come last.

        A list goes through them in the order of the configuration, from the holder of its ``object_id`` on.
        """
        able = [s for s in self._router.providers.values() if call.operation in s.provider.operations]
        if call.provider is not None:
            able = [service for service in able if service.name == call.provider]
        if not able:
            raise _nobody(call)
        holder = self._holders.get(call.object_id) if call.object_id is not None else None
        if call.lists:
            place = next((place for place, service in enumerate(able) if service.name == holder), 0)
            return able[place:]
        return sorted(able, key=lambda service: (service.name != holder, not service.is_available()))


class _ResourceRun:
    """One such call under way."""

    def __init__(self, router: Router, call: ResourceCall, services: Sequence[ProviderService]) -> None:
        self._router = router
        self._clock = router.clock
        self._call = call
        self._services = services
        self._deadline = router.clock.monotonic() + (DEADLINE if call.timeout is None else call.timeout)
        name, now = call.operation.value, router.clock.now()
        self.record = DecisionRecord(
            call.id,
            name,
            name,
            "synchronous",
            now,
            key=call.key,
            traceparent=call.traceparent,
            tracestate=call.tracestate,
        )

    async def until_answered(self) -> tuple[Reply, str]:
        """The answer, and who gave it. Raises ProviderError."""
        self._router.in_flight += 1
        try:
            answer = await (self._listed() if self._call.lists else self._first())
        except ModelMeshError as error:
            self._close("failed", error)
            raise
        except BaseException:
            self._close("cancelled", None)
            raise
        self._close("success", None)
        return answer

    async def _first(self) -> tuple[Reply, str]:
        """The first provider that has the object, or takes the new one."""
        errors: list[ProviderError] = []
        for service in self._services:
            try:
                return await self._ask(service, self._call.request), service.name
            except ProviderError as error:
                errors.append(error)
                if not self._goes_on_after(error.failure):
                    break
        # What somebody else said of an object that he does not have says less than why its holder did not answer.
        telling = [error for error in errors if error.failure.status not in _ELSEWHERE]
        raise (telling or errors)[0]

    def _goes_on_after(self, failure: Failure) -> bool:
        return TABLE[failure.kind].rotate or self._is_unknown_to_it(failure)

    def _is_unknown_to_it(self, failure: Failure) -> bool:
        """Whether it has no such object, or nothing of the kind."""
        if failure.status in _ELSEWHERE:
            return True
        # An object that is addressed exists once: whoever does not know it may word that in any way.
        return self._call.object_id is not None and failure.kind is FailureKind.INVALID_REQUEST

    async def _listed(self) -> tuple[Reply, str]:
        """One page. Where a provider's list ends, it goes on with the next one's."""
        request, last = self._call.request, len(self._services) - 1
        missing: ProviderError | None = None
        for place, service in enumerate(self._services):
            try:
                reply = await self._ask(service, request)
            except ProviderError as error:
                if not self._is_unknown_to_it(error.failure):
                    raise
                missing = missing or error
                continue
            if place == last or not isinstance(reply.body.get("data"), list):
                return reply, service.name
            if reply.body["data"]:
                if reply.body.get("has_more") is False:
                    reply = attrs.evolve(reply, body={**reply.body, "has_more": True}, raw=None)
                return reply, service.name
            request = attrs.evolve(request, query=_from_the_start(request.query))
        assert missing is not None, "somebody is asked"
        raise missing

    async def _ask(self, service: ProviderService, request: ResourceRequest) -> Reply:
        operation, started = self._call.operation, perf_counter()
        attempt = AttemptRecord(f"{service.name}.{operation.value}", service.name, "", self._clock.now())
        self.record.attempts.append(attempt)
        left = self._deadline - self._clock.monotonic()
        traced = trace_headers(self.record, len(self.record.attempts) - 1) if self._router.propagates else {}
        call = ProviderCall(operation, "", {}, request_id=self._call.id, resource=request, trace_headers=traced)
        try:
            answer = await service.execute(call, left)
        except ProviderError as error:
            attempt.status, attempt.failure = "failed", error.failure
            raise _told(error, service.name) from error
        except BaseException:
            attempt.status = "cancelled"
            raise
        finally:
            attempt.ended = self._clock.now()
            self.record.upstream_seconds += perf_counter() - started
        assert isinstance(answer, Reply), "a connector streamed what was not asked to stream"
        attempt.status, self.record.answered_by = "success", attempt
        return answer

    def _close(self, status: str, error: ModelMeshError | None) -> None:
        self._router.in_flight -= 1
        record = self.record
        record.status, record.ended = status, self._clock.now()
        record.error = str(error) if error is not None else None
        self._router.accounting.observe(record)


def _told(error: ProviderError, provider: str) -> ProviderError:
    """The error as the caller is told it: what is the caller's to mend is in the provider's own words."""
    failure = error.failure
    status = failure.status or 0
    if 400 <= status < 500 and status not in _NOT_THE_CALLERS:
        failure = attrs.evolve(failure, kind=FailureKind.INVALID_REQUEST)
    return provider_error(failure, provider=provider)


def _from_the_start(query: str) -> str:
    """``query`` without its place in the list before."""
    return urlencode([(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "after"])


def _named_in(body: Body) -> Iterator[str]:
    """Ids of the objects that an answer is, lists, or leads to."""
    rows: Any = body.get("data")
    for one in (body, *(cast(list[Any], rows) if isinstance(rows, list) else ())):
        if isinstance(one, Mapping):
            for name, value in cast(Mapping[str, Any], one).items():
                if (name == "id" or name.endswith("_file_id")) and isinstance(value, str):
                    yield value


def _nobody(call: ResourceCall) -> NoActiveModelError:
    name = call.operation.value
    if call.provider is not None:
        message = f"no provider is named {call.provider!r}, or it has no {name}."
        hint = "Leave x-modelmesh-provider out, or name another one."
    else:
        message = f"no configured provider has {name}."
        hint = "Add one that has, such as openai.llm.v1."
    error = NoActiveModelError(message, hint=hint)
    error.status_code, error.error_type, error.code = 404, "invalid_request_error", "operation_not_offered"
    return error
