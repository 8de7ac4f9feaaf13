"""A streamed request under way, and what follows when its answer breaks off in the middle."""

from __future__ import annotations

from ..errors import FailureKind, ModelMeshError, ProviderError
from ..interfaces.provider import ProviderCall
from ..wire.messages import Operation, Reply
from .attempt import Attempt
from .provider_service import EventSource
from .resumption import AnswerDiffersError, Continuation, Transcript
from .retry import TABLE
from .run import AttemptFailedError, Run
from .streams import OpenStream, StreamingReply, hold_until_whole, open_until_content
from .whole import WholeReplyEvents

_LIMITS = ("max_tokens", "max_completion_tokens")


class StreamRun(Run[OpenStream]):
    """The state of one streamed request, until its answer has ended."""

    _broken: Attempt
    """The one whose stream broke last."""

    async def stream(self) -> StreamingReply:
        """The answer, from its first content on. Raises as ``Router.stream`` does."""
        stream = await self.until_answered(self._open)
        resumes = self.attempt.pool.settings.on_stream_failure == "resume"
        is_chat = self._request.operation is Operation.CHAT
        return StreamingReply(
            stream,
            self.record,
            self,
            include_usage=self._request.include_usage,
            dialect=self._request.dialect,
            transcript=Transcript() if resumes and is_chat else None,
        )

    async def _open(self, attempt: Attempt, call: ProviderCall, left: float) -> OpenStream:
        stream = await self._open_at(attempt, await self._source(attempt, call, left), left)
        if attempt.pool.settings.on_stream_failure == "restart":
            await hold_until_whole(stream, self._left())
        return stream

    @staticmethod
    async def _source(attempt: Attempt, call: ProviderCall, left: float) -> EventSource:
        answer = await attempt.service.execute(call, left)
        return WholeReplyEvents(answer, call) if isinstance(answer, Reply) else answer

    async def _open_at(self, attempt: Attempt, source: EventSource, left: float) -> OpenStream:
        limit = attempt.pool.settings.retry.ttft_timeout
        stream = await open_until_content(source, left if limit is None else min(limit, left))
        attempt.record.first_byte = self._clock.now()
        return stream

    # --- after a break -----------------------------------------------------------------------------------------------

    async def take_up(self, stream: OpenStream, sent: Transcript | None, error: ProviderError) -> OpenStream | None:
        """The stream that goes on where ``stream`` broke, or None if nobody can go on."""
        broken = self._broken = self.attempt
        obstacle = self._obstacle(sent, error)
        follow_up = f"give up: {obstacle}" if obstacle else "rotate: another model takes the answer up"
        used = stream.usage or self.estimate(stream.content_events)
        self._choice.failed.append(self._failed(broken, error, follow_up, used))
        if sent is None or obstacle is not None:
            return None
        self._put_away(broken, error)
        if sent.text and self._may_prefill():
            self._choice.prefer("prefill", "cannot go on from the middle of an answer")
        try:
            return await self._resumed(sent)
        except ModelMeshError:
            return None  # the caller is told why the answer broke, not why nobody could mend it

    def _put_away(self, broken: Attempt, error: ProviderError) -> None:
        """Another model goes on; the same one only if nobody else is left, and it may be asked again."""
        why, kind = f"broke off in this request ({error.failure.kind.value})", error.failure.kind
        settings = broken.pool.settings.retry
        may_retry = TABLE[kind].retry and self._router.retry_budgets[broken.pool.id].is_left
        if may_retry and settings.scope == "any" and self._tries[broken.model] < settings.max_attempts:
            self._choice.put_last(broken.model, why, place=2)
        else:
            self._choice.rotate_away(broken, why, error.failure)

    def _obstacle(self, sent: Transcript | None, error: ProviderError) -> str | None:
        """Why nobody can take this answer up."""
        if sent is None:
            return f"the answer had begun (on_stream_failure: {self.attempt.pool.settings.on_stream_failure})"
        if not TABLE[error.failure.kind].rotate or error.failure.kind is FailureKind.CONTEXT_LENGTH:
            return f"{error.failure.kind.value}: no other model would help"
        return sent.obstacle

    def _may_prefill(self) -> bool:
        # What has to be valid JSON as a whole is not continued reliably from its middle.
        return not self._request.body.get("response_format")

    async def _resumed(self, sent: Transcript) -> OpenStream:
        """Ask one model after another until one goes on. Raises ModelMeshError when nobody is left."""
        again: Attempt | None = None
        while True:
            decision, attempt = self._decide() if again is None else (None, self._choice.same_again(again))
            attempt = await self._settled_on(decision, attempt)
            prefills, again = again is None, None
            if attempt is None:
                continue
            if self._is_past_bounds(attempt):
                attempt.abandon()
                raise self._exhausted("all retries and rotations are used up")
            if prefills and self._may_prefill() and "prefill" in attempt.member.definition.features:
                attempt.prefill = sent.text.rstrip() or None
            self._begin(attempt)
            self.attempt = attempt
            try:
                stream = await self._sent(attempt, lambda one, call, left: self._open_rest(one, call, left, sent))
            except AttemptFailedError as failed:
                self._choice.failed.append(self._failed(attempt, failed.error, "rotate: it could not take it up"))
                if attempt.prefill is not None and failed.error.failure.kind is FailureKind.INVALID_REQUEST:
                    again = attempt if self._may_try_again(attempt) else None
                if again is None:
                    self._choice.rotate_away(attempt, "could not take the answer up", failed.error.failure)
            except AnswerDiffersError as error:
                attempt.record.follow_up = f"rotate: {error}"
                self._choice.rotate_away(attempt, str(error))
            else:
                self.record.answered_by = attempt.record
                return stream

    def _may_try_again(self, attempt: Attempt) -> bool:
        return self._tries[attempt.model] < attempt.pool.settings.retry.max_attempts

    def _is_past_bounds(self, attempt: Attempt) -> bool:
        settings = attempt.pool.settings.retry
        if attempt.model == self.record.attempts[-1].model:
            self._router.retry_budgets[attempt.pool.id].take()
            return self._tries[attempt.model] >= settings.max_attempts
        return self.record.rotations + self.record.hedges >= settings.max_rotations

    async def _open_rest(self, attempt: Attempt, call: ProviderCall, left: float, sent: Transcript) -> OpenStream:
        if attempt.prefill is not None:
            call.prefill, call.raw, call.native, call.body = attempt.prefill, None, None, dict(call.body)
            for limit in _LIMITS:
                if isinstance(call.body.get(limit), int):
                    call.body[limit] = max(1, call.body[limit] - sent.pieces_sent)
        source = Continuation(await self._source(attempt, call, left), sent, prefilled=attempt.prefill is not None)
        return await self._open_at(attempt, source, left)

    # --- endings -----------------------------------------------------------------------------------------------------

    def ended(self, stream: OpenStream, error: ProviderError | None, *, cancelled: bool) -> None:
        """The answer is whole, or failed for good, or the caller went away."""
        usage = stream.usage or self.estimate(stream.content_events)
        if cancelled:
            self.attempt.cancelled(usage)
            self._close("cancelled", None)
        elif error is not None:
            error.model, error.provider = self._broken.record.model, self._broken.record.provider
            error.attempts = self.record.attempts
            self._close("failed", error)
        else:
            self.succeeded(usage, stream.source.headroom)
