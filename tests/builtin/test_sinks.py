"""The observability sinks that come with the core."""

import asyncio
import hashlib
import hmac
import io
import json
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from modelmesh_core import ConnectorError, ModelMeshError, ObservabilityConnector, Secret, StorageError, json_line
from modelmesh_core.builtin import sink_callback, sink_console, sink_local_file, sink_null, sink_webhook
from modelmesh_core.builtin.sink_callback import CallbackOptions, CallbackSink
from modelmesh_core.builtin.sink_console import ConsoleOptions, ConsoleSink
from modelmesh_core.builtin.sink_local_file import LocalFileSink, LocalFileSinkOptions
from modelmesh_core.builtin.sink_null import NullSink
from modelmesh_core.builtin.sink_webhook import WebhookOptions, WebhookSink
from modelmesh_core.testing import FakeClock, ObservabilityConformance

EVENT = {"type": "event", "at": 1_800_000_000.25, "name": "model_activated", "data": {"model": "acme.large"}}
SIGNING_SECRET = "whsec-never-to-be-seen"


class Receiver:
    """A web server on the loopback: answers as told (then 200), and keeps what it was sent."""

    def __init__(self):
        self.answers = []
        self.requests = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((dict(self.headers.items()), body))
                status, headers = outer.answers.pop(0) if outer.answers else (200, {})
                self.send_response(status)
                for name, value in {"content-length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?token=sk-in-the-address"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def entries(self):
        return [entry for _, body in self.requests for entry in json.loads(body)["entries"]]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


class TestNull(ObservabilityConformance):
    def make(self, folder):
        return NullSink()


class TestConsoleText(ObservabilityConformance):
    def make(self, folder):
        return ConsoleSink(stream=io.StringIO())


class TestConsoleJson(ObservabilityConformance):
    def make(self, folder):
        self.stream = io.StringIO()
        return ConsoleSink(ConsoleOptions(format="json"), self.stream)

    async def received(self, folder):
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


class TestLocalFile(ObservabilityConformance):
    def make(self, folder):
        return LocalFileSink(LocalFileSinkOptions(path=str(folder / "events.jsonl")))

    async def received(self, folder):
        file = folder / "events.jsonl"
        return [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []


class TestCallback(ObservabilityConformance):
    def make(self, folder):
        self.taken = []
        return CallbackSink(CallbackOptions(self.taken.extend))

    async def received(self, folder):
        return self.taken


class TestWebhook(ObservabilityConformance):
    @pytest.fixture(autouse=True)
    def _receiver(self, receiver):
        self.receiver = receiver

    def make(self, folder):
        return WebhookSink(WebhookOptions(self.receiver.url))

    async def received(self, folder):
        return self.receiver.entries()


@pytest.mark.parametrize(
    ("module", "connector_id", "options"),
    [
        (sink_null, "modelmesh.null.v1", None),
        (sink_console, "modelmesh.console.v1", ConsoleOptions()),
        (sink_local_file, "modelmesh.local-file.v1", LocalFileSinkOptions()),
        (sink_callback, "modelmesh.callback.v1", CallbackOptions(print)),
        (sink_webhook, "modelmesh.webhook.v1", WebhookOptions("https://acme.example/hook")),
    ],
)
async def test_each_module_yields_a_record_that_makes_a_sink(module, connector_id, options, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (record,) = module.observability_connectors()
    assert isinstance(record, ObservabilityConnector)
    assert (record.id, record.options) == (connector_id, type(options) if options else None)
    sink = record.create(options)
    await sink.write([])
    await sink.close()


# --- console ---------------------------------------------------------------------------------------------------------


async def test_console_lines_are_readable(capsys):
    await ConsoleSink().write([EVENT, {"type": "request", "at": 0, "model": "a b", "cost": 0.5, "attempts": [1]}])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "2027-01-15T08:00:00.250Z event name=model_activated model=acme.large\n"
        '1970-01-01T00:00:00.000Z request model="a b" cost=0.5 attempts=[1]\n'
    )


async def test_nobody_can_forge_a_console_line():
    stream = io.StringIO()
    await ConsoleSink(stream=stream).write(
        [
            {
                "type": "request",
                "at": 0,
                "user": "x\n1970-01-01 event",
                "a\nb": "\x1b[2J\x9b\u2028",
                "key": Secret("sk-1"),
            }
        ]
    )
    assert stream.getvalue() == (
        '1970-01-01T00:00:00.000Z request user="x\\n1970-01-01 event" "a\\nb"="\\u001b[2J\\u009b\\u2028" key="***"\n'
    )


async def test_a_console_without_unicode_shows_escapes():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    await ConsoleSink(stream=stream).write([{"type": "event", "at": 0, "text": "密"}])
    assert stream.buffer.getvalue().endswith(b"text=\\u5bc6\n")


# --- local file ------------------------------------------------------------------------------------------------------


def file_sink(folder, **options):
    return LocalFileSink(LocalFileSinkOptions(path=str(folder / "events.jsonl"), **options))


def numbers(file):
    return [json.loads(line)["number"] for line in file.read_text().splitlines()]


def lines(*given):
    return [json_line({"type": "event", "at": 0, "number": number}) for number in given]


async def test_files_are_rotated_by_size_and_the_oldest_go(tmp_path):
    sink = file_sink(tmp_path, max_size=110, keep=2)
    for number in range(12):
        await sink.write(lines(number))
    kept = {file.name: numbers(file) for file in tmp_path.iterdir() if not file.name.endswith(".lock")}
    assert kept == {"events.jsonl": [9, 10, 11], "events.jsonl.1": [6, 7, 8], "events.jsonl.2": [3, 4, 5]}
    assert all(file.stat().st_size <= 110 for file in tmp_path.iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


async def test_nothing_rotated_is_kept_with_keep_zero(tmp_path):
    sink = file_sink(tmp_path, max_size=110, keep=0)
    for number in range(4):
        await sink.write(lines(number))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["events.jsonl", "events.jsonl.lock"]
    assert numbers(tmp_path / "events.jsonl") == [3]


async def test_several_sinks_on_one_file_lose_no_line(tmp_path):
    sinks = [file_sink(tmp_path, max_size=2000, keep=100) for _ in range(4)]

    async def write(sink, first):
        for number in range(first, first + 100, 5):
            await sink.write(lines(*range(number, number + 5)))

    await asyncio.gather(*(write(sink, index * 100) for index, sink in enumerate(sinks)))
    found = [number for file in tmp_path.glob("events.jsonl*") if file.suffix != ".lock" for number in numbers(file)]
    assert sorted(found) == list(range(400))


async def test_a_line_cut_short_by_a_kill_spoils_only_itself(tmp_path):
    (tmp_path / "events.jsonl").write_text('{"number":1}\n{"numb')
    await file_sink(tmp_path).write([b'{"number":2}\n'])
    assert (tmp_path / "events.jsonl").read_text() == '{"number":1}\n{"numb\n{"number":2}\n'


async def test_a_full_disk_takes_nothing_of_the_batch(tmp_path):
    """In a process whose files may not grow beyond 100 bytes."""
    script = """
import asyncio, resource, signal, sys
from modelmesh_core import StorageError, json_line
from modelmesh_core.builtin.sink_local_file import LocalFileSink, LocalFileSinkOptions
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
sink = LocalFileSink(LocalFileSinkOptions(path=sys.argv[1]))
asyncio.run(sink.write([json_line({"number": 1})]))
try:
    asyncio.run(sink.write([json_line({"number": number}) for number in range(2, 50)]))
except StorageError as error:
    print(error)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "events.jsonl")]
    finished = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert f"could not be written to {tmp_path}/events.jsonl: File too large" in finished.stdout
    assert (tmp_path / "events.jsonl").read_text() == '{"number":1}\n'


async def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "events.jsonl").mkdir()
    with pytest.raises(StorageError, match=r"events\.jsonl"):
        await file_sink(tmp_path).write(lines(1))


# --- callback --------------------------------------------------------------------------------------------------------

TAKEN = []


async def test_a_callback_may_be_async_and_runs_in_the_loop():
    seen = []

    async def take(entries):
        seen.append((asyncio.get_running_loop(), entries))

    class Object:
        async def __call__(self, entries):
            await take(entries)

    await CallbackSink(CallbackOptions(take)).write([EVENT])
    await CallbackSink(CallbackOptions(Object())).write([EVENT])
    assert seen == [(asyncio.get_running_loop(), [EVENT])] * 2


async def test_a_slow_plain_callback_does_not_hold_up_the_loop():
    let_go = threading.Event()
    writing = asyncio.create_task(CallbackSink(CallbackOptions(lambda entries: let_go.wait(10))).write([EVENT]))
    await asyncio.sleep(0)
    let_go.set()  # reached only because the callback waits elsewhere
    await asyncio.wait_for(writing, 5)


async def test_a_callback_is_found_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "acme_hooks.py").write_text("class Hooks:\n    taken = []\n    take = taken.extend\n")
    monkeypatch.syspath_prepend(tmp_path)
    await CallbackSink(CallbackOptions("acme_hooks:Hooks.take")).write([EVENT])
    assert sys.modules.pop("acme_hooks").Hooks.taken == [EVENT]


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        ("no_colon", "Write package.module:function"),
        ("no_such_package_anywhere:take", "no_such_package_anywhere"),
        ("json:no_such_function", "no_such_function"),
        ("json:__name__", "cannot be called"),
        (7, "cannot be called"),
    ],
)
def test_a_callback_that_cannot_be_called_is_an_error_at_once(callback, message):
    with pytest.raises(ConnectorError, match=message):
        CallbackSink(CallbackOptions(callback))


async def test_what_a_callback_raises_means_that_nothing_was_taken():
    def refuse(entries):
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        await CallbackSink(CallbackOptions(refuse)).write([EVENT])


# --- webhook ---------------------------------------------------------------------------------------------------------


def webhook(receiver, clock=None, **options):
    return WebhookSink(WebhookOptions(receiver.url, **options), clock or FakeClock())


async def test_a_webhook_is_signed_so_that_the_receiver_can_tell(receiver):
    sink = webhook(receiver, secret=Secret(SIGNING_SECRET), headers={"authorization": "Bearer t"})
    await sink.write([EVENT])
    await sink.close()
    ((headers, body),) = receiver.requests
    time, _, signature = headers["x-modelmesh-signature"].partition(",")
    assert time == "t=1700000000"
    expected = hmac.new(SIGNING_SECRET.encode(), b"1700000000." + body, hashlib.sha256).hexdigest()
    assert signature == f"v1={expected}"
    assert headers["content-type"] == "application/json"
    assert headers["authorization"] == "Bearer t"
    assert json.loads(body) == {"entries": [EVENT]}


async def test_a_webhook_without_a_secret_is_not_signed(receiver):
    sink = webhook(receiver)
    await sink.write([EVENT])
    await sink.close()
    assert "x-modelmesh-signature" not in receiver.requests[0][0]


async def test_a_failing_receiver_is_tried_again_with_growing_pauses(receiver):
    clock = FakeClock()
    receiver.answers = [(500, {}), (503, {})]
    sink = webhook(receiver, clock, secret=Secret(SIGNING_SECRET), initial_delay=1.0)
    await sink.write([EVENT])
    await sink.close()
    assert len(receiver.requests) == 3
    assert 1 <= clock.slept[0] <= 2 <= clock.slept[1] <= 3
    bodies = {body for _, body in receiver.requests}
    deliveries = {headers["x-modelmesh-delivery"] for headers, _ in receiver.requests}
    signatures = {headers["x-modelmesh-signature"] for headers, _ in receiver.requests}
    assert (len(bodies), len(deliveries), len(signatures)) == (1, 1, 3), "the same delivery, signed anew each time"


async def test_the_receivers_own_pause_is_kept_up_to_the_longest(receiver):
    clock = FakeClock()
    receiver.answers = [(429, {"retry-after": "7"}), (503, {"retry-after": "3600"})]
    sink = webhook(receiver, clock, initial_delay=0.1, max_delay=20.0)
    await sink.write([EVENT])
    await sink.close()
    assert clock.slept == [7, 20]


async def test_after_the_last_try_the_batch_was_not_taken(receiver):
    receiver.answers = [(500, {})] * 9
    sink = webhook(receiver, max_attempts=3)
    with pytest.raises(ModelMeshError, match=r"webhook 127\.0\.0\.1 answered 500") as caught:
        await sink.write([EVENT])
    await sink.close()
    assert len(receiver.requests) == 3
    assert "sk-in-the-address" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 400, 401, 404])
async def test_a_refusal_is_not_tried_again(receiver, status):
    receiver.answers = [(status, {"location": "/elsewhere"})]
    sink = webhook(receiver)
    with pytest.raises(ModelMeshError, match=f"answered {status}"):
        await sink.write([EVENT])
    await sink.close()
    assert len(receiver.requests) == 1


async def test_a_receiver_that_is_not_there_is_an_error_without_its_address(receiver):
    clock = FakeClock()
    receiver.close()
    sink = webhook(receiver, clock, max_attempts=2)
    with pytest.raises(ModelMeshError, match="could not be reached: ConnectError") as caught:
        await sink.write([EVENT])
    await sink.close()
    assert len(clock.slept) == 1
    assert "sk-in-the-address" not in str(caught.value)


async def test_entries_are_sent_in_batches(receiver):
    sink = webhook(receiver, max_batch=4)
    await sink.write([{"type": "event", "at": number} for number in range(10)])
    await sink.close()
    assert [len(json.loads(body)["entries"]) for _, body in receiver.requests] == [4, 4, 2]
    assert [entry["at"] for entry in receiver.entries()] == list(range(10))


@pytest.mark.parametrize("url", ["", "acme.example/hook", "ftp://acme.example", "https://", "http://[::1", "http://\n"])
def test_an_address_that_is_none_is_refused_at_once(url):
    with pytest.raises(ConnectorError, match="no http or https address"):
        WebhookSink(WebhookOptions(url))


def test_webhook_options_never_show_what_is_secret(receiver):
    shown = repr(WebhookOptions(receiver.url, secret=Secret(SIGNING_SECRET), headers={"authorization": "Bearer t0k"}))
    assert not [word for word in ("sk-in-the-address", SIGNING_SECRET, "t0k") if word in shown]
