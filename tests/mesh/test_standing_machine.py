"""The life of a model in a pool, driven at random: what must hold whatever happens, in whatever order."""

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from meshes import ask, config
from modelmesh_core import ModelMesh, ModelMeshError, Reason, Status
from modelmesh_core.testing import FakeUpstream, answers

A = "https://a.test/v1"
COOLDOWN, CEILING = 60.0, 900.0
TOLD = {"retry_after": "120"}
FAILURES = {
    "server": answers.error(500),
    "told to wait": answers.error(503, **TOLD),
    "hang": answers.hang(),
    "reset": answers.reset(),
    "no sense": answers.Answer(200, b"<html>"),
    "rate limit": answers.error(429, code="rate_limit_exceeded"),
    "rate limit with a time": answers.error(429, code="rate_limit_exceeded", **TOLD),
    "quota": answers.error(429, code="insufficient_quota"),
    "key": answers.error(401, code="invalid_api_key"),
    "no such model": answers.error(404, code="model_not_found"),
}
CALLERS = {
    "bad request": answers.error(400, type="invalid_request_error"),
    "too long": answers.error(400, code="context_length_exceeded"),
    "refused": answers.error(400, code="content_policy_violation"),
}
PROBED = {Reason.ERROR, Reason.AUTH, Reason.MODEL_NOT_FOUND}


class Life(RuleBasedStateMachine):
    """One model in one pool. Requests come one at a time, but streams may stay open meanwhile."""

    @initialize()
    def begin(self):
        self.upstream = FakeUpstream()
        self.clock = self.upstream.clock
        self.upstream.script(A, lambda request: self.answer)
        pool = {"retry": {"max_attempts": 1}, "deadline": "2h", "recovery": {"cooldown": "60s", "max_cooldown": "15m"}}
        self.mesh = ModelMesh(
            config("a.one", pool=pool),
            clock=self.clock,
            make_transport=self.upstream.make_transport,
            environ={},
        ).initialize()
        self.pool = self.mesh.get_router().get_pool("chat")
        self.open = []
        self.probe = None
        self.by_hand = False

    def teardown(self):
        for stream in getattr(self, "open", ()):
            stream.close()
        if hasattr(self, "mesh"):
            assert self.mesh.get_router().in_flight == 0
            assert self.snapshot.in_flight == 0
            assert self.upstream.open_streams == 0
            self.mesh.shutdown()

    @property
    def snapshot(self):
        return self.pool.get_state()[0]

    def send(self, answer, **parameters):
        """A request; whether it was sent at all. Checks that it was sent exactly when it may be."""
        before, calls = self.snapshot, len(self.upstream.requests)
        may_go = before.status is Status.ACTIVE or (before.status is Status.HALF_OPEN and self.probe is None)
        self.answer = answer
        try:
            reply = ask(self.mesh, **parameters)
        except ModelMeshError:
            reply = None
        was_sent = len(self.upstream.requests) - calls
        assert was_sent == may_go, f"{before.status}, probe under way: {self.probe is not None}"
        return before, bool(was_sent), reply

    @rule()
    def succeed(self):
        _, was_sent, _ = self.send(answers.chat("fine"))
        if was_sent:
            assert self.snapshot.status is Status.ACTIVE
            assert self.snapshot.consecutive_failures == 0

    @rule(kind=st.sampled_from(sorted(FAILURES)))
    def fail(self, kind):
        before, was_sent, _ = self.send(FAILURES[kind])
        after = self.snapshot
        if not was_sent:
            return
        if before.status is Status.HALF_OPEN:
            assert after.status is Status.STANDBY, "a failed probe closes the door again"
        if before.status is Status.ACTIVE and before.consecutive_failures >= 2 and kind in ("server", "hang", "reset"):
            assert after.status is Status.STANDBY
        if after.status is Status.STANDBY and after.deactivation_reason is Reason.ERROR and kind != "told to wait":
            assert after.until - self.clock.now() <= CEILING

    @rule(kind=st.sampled_from(sorted(CALLERS)))
    def be_at_fault(self, kind):
        before, was_sent, _ = self.send(CALLERS[kind])
        if was_sent:
            assert self.snapshot.status is before.status, "the caller's fault marks nobody"
            assert self.snapshot.consecutive_failures == before.consecutive_failures

    @precondition(lambda self: len(self.open) < 3)
    @rule()
    def begin_stream(self):
        before, was_sent, stream = self.send(answers.stream("one ", "two ", "three"), stream=True)
        if was_sent:
            next(stream)
            self.open.append(stream)
            if before.status is Status.HALF_OPEN:
                self.probe = stream

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def end_stream(self, data):
        stream = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        before = self.snapshot
        list(stream)
        if stream is self.probe:
            self.probe = None
            assert self.snapshot.status is Status.ACTIVE
        else:
            assert self.snapshot.status is before.status, "what began before the failure says nothing of now"

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def leave_stream(self, data):
        stream = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        before = self.snapshot
        stream.close()
        if stream is self.probe:
            self.probe = None
        assert self.snapshot.status is before.status, "who leaves judges nobody"

    @rule(seconds=st.sampled_from([0.1, 1.0, 30.0, 60.0, 121.0, 900.0, 90_000.0]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def deactivate_by_hand(self):
        self.pool.deactivate("a.one", "by hand")
        self.by_hand, self.probe = True, None
        assert self.snapshot.deactivation_reason is Reason.MANUAL

    @rule()
    def recover_by_hand(self):
        self.pool.recover("a.one")
        self.by_hand, self.probe = False, None
        assert self.snapshot.status is Status.ACTIVE

    @invariant()
    def what_must_hold(self):
        if not hasattr(self, "mesh"):
            return
        snapshot, now = self.snapshot, self.clock.now()
        assert snapshot.in_flight == len(self.open)
        assert self.mesh.get_router().in_flight == len(self.open)
        assert (snapshot.status is Status.ACTIVE) == (snapshot.deactivation_reason is None)
        if self.by_hand:
            assert snapshot.status is Status.STANDBY
            assert snapshot.until is None
        if snapshot.status is Status.HALF_OPEN:
            assert snapshot.deactivation_reason in PROBED
            assert snapshot.until <= now
            assert snapshot.probe_in_flight == (self.probe is not None)
        if snapshot.status is Status.STANDBY and not self.by_hand:
            assert snapshot.until > now, "it has a way back"


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


def event(**body):
    return b"data: " + json.dumps(body).encode() + b"\n\n"


@pytest.mark.parametrize(
    "later",
    [
        {"code": "rate_limit_exceeded", "message": "Please try again in 2s."},
        {"code": "server_error", "message": "it broke"},
    ],
    ids=["a short rate limit", "a failure"],
)
def test_a_shorter_deadline_never_moves_a_longer_one(later, make_mesh, upstream: FakeUpstream):
    begun = event(choices=[{"index": 0, "delta": {"content": "one "}, "finish_reason": None}])
    broken = answers.Answer(200, headers={"content-type": "text/event-stream"}, chunks=[begun, event(error=later)])
    upstream.script(A, [broken, answers.error(429, code="insufficient_quota")])
    pool_settings = {"retry": {"max_attempts": 1}, "deactivation": {"retry_limit": 1}, "on_stream_failure": "error"}
    mesh = make_mesh(config("a.one", pool=pool_settings))
    pool = mesh.get_router().get_pool("chat")
    stream = ask(mesh, stream=True)
    with pytest.raises(ModelMeshError):
        ask(mesh)
    until = pool.get_state()[0].until
    with pytest.raises(ModelMeshError):
        list(stream)
    after = pool.get_state()[0]
    assert (after.until, after.deactivation_reason) == (until, Reason.QUOTA)
