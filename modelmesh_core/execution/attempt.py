"""One call to one model, from its reservation to its settlement. It is settled once, however it ends."""

from __future__ import annotations

from ..errors import Failure, ProviderError, provider_error
from ..interfaces.records import AttemptRecord
from ..interfaces.routing import FailedAttempt
from ..members import Member
from ..pools import CapabilityPool
from ..state.ledger import Reservation
from ..values import Clock
from ..wire.messages import Headroom, Usage
from .accounting import Accounting
from .provider_service import ProviderService


class Attempt:
    """What belongs to one attempt."""

    __slots__ = (
        "_accounting",
        "_clock",
        "_is_settled",
        "is_probe",
        "member",
        "pool",
        "prefill",
        "record",
        "reservation",
        "service",
    )

    def __init__(
        self,
        pool: CapabilityPool,
        member: Member,
        service: ProviderService,
        reservation: Reservation,
        accounting: Accounting,
        clock: Clock,
        now: float,
    ) -> None:
        """``now``: UTC epoch seconds."""
        self.pool = pool
        self.member = member
        self.service = service
        self.reservation = reservation
        self.is_probe = False
        """Whether it is the one request that a half-open model gets."""
        self.prefill: str | None = None
        """What the model is to continue from."""
        model = member.definition
        self.record = AttemptRecord(model.id, model.provider, pool.id, now)
        self._accounting = accounting
        self._clock = clock
        self._is_settled = False

    @property
    def model(self) -> str:
        """Full id."""
        return self.record.model

    def abandon(self) -> None:
        """It was never sent: nothing was used, and nobody is judged."""
        if self._settle():
            self.reservation.release(self._clock.now())
            self._end_probe()

    def succeeded(self, usage: Usage, headroom: Headroom) -> None:
        """A whole answer came."""
        if self._settle():
            now = self._clock.now()
            self._accounting.succeeded(self.member, self.record, self.reservation, usage, headroom, now)
            if self.is_probe:
                self._accounting.probe_succeeded(self.member)

    def failed(self, error: ProviderError, usage: Usage | None = None) -> FailedAttempt:
        """It failed, after ``usage``."""
        failed = FailedAttempt(self.record.model, self.record.provider, error.failure)
        if self._settle():
            self.record.usage = usage
            self._end_probe()
            self._accounting.failed(self.member, self.record, self.reservation, failed, self._clock.now())
        return failed

    def cancelled(self, usage: Usage, why: str | None = None) -> None:
        """Nobody wants it any more: what was used counts, and nobody is blamed."""
        if self._settle():
            self.record.follow_up = why
            self._end_probe()
            self._accounting.cancelled(self.member, self.record, self.reservation, usage, self._clock.now())

    def named(self, failure: Failure, cause: BaseException | None = None) -> ProviderError:
        """The public error for ``failure``, naming this model and its provider."""
        error = provider_error(failure, model=self.record.model, provider=self.record.provider)
        error.__cause__ = cause
        return error

    def _end_probe(self) -> None:
        """It said nothing of the model yet: another may ask."""
        if self.is_probe:
            self.pool.probe_ended(self.member)

    def _settle(self) -> bool:
        """Whether it was open until now."""
        was_open, self._is_settled = not self._is_settled, True
        return was_open
