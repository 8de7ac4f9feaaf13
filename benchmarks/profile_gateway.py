"""Where the microseconds of one request through `modelmesh serve` go, by thread and by function.

    python benchmarks/profile_gateway.py [--work chat|streams] [--seconds 10] [--top 40]

The gateway runs under load on the first core and is sampled by py-spy (`pip install py-spy`; may need root). A share
of the samples is a share of the time, so each function's µs are its share of the wall time of a request.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter

from load import chat, streams
from peers import PEERS, running, upstream_for_chat, upstream_for_streams
from processes import cores

TICK = os.sysconf("SC_CLK_TCK")
RATE = 400
_FRAME = re.compile(r"(.+) \((.+?)(?::(\d+))?\)$")


@dataclasses.dataclass
class Profile:
    """Samples by function: ``own`` with it on top, ``whole`` with it anywhere. Stacks count once."""

    own: Counter[str] = dataclasses.field(default_factory=Counter[str])
    whole: Counter[str] = dataclasses.field(default_factory=Counter[str])
    samples: int = 0


def thread_times(pid: int) -> dict[str, tuple[float, float]]:
    """(user, system) seconds of the processor by name of thread; those of one name are added up."""
    times: Counter[tuple[str, int]] = Counter()
    for task in Path(f"/proc/{pid}/task").iterdir():
        head, _, rest = (task / "stat").read_text().rpartition(")")
        name = head.partition("(")[2]
        fields = rest.split()
        times[name, 0] += int(fields[11])
        times[name, 1] += int(fields[12])
    return {name: (times[name, 0] / TICK, times[name, 1] / TICK) for name, _ in times}


def read_stacks(lines: Iterable[str]) -> Profile:
    """py-spy's raw format: frames with ``;`` between, then a count."""
    profile = Profile()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = [_frame(text) for text in stack.split(";") if not text.startswith(("process ", "thread "))]
        if not frames:
            continue
        profile.samples += int(count)
        profile.own[frames[-1]] += int(count)
        for frame in set(frames):
            profile.whole[frame] += int(count)
    return profile


def _frame(text: str) -> str:
    """``function (file)``, the file from its package on."""
    match = _FRAME.match(text)
    if match is None:
        return text
    function, file = match[1], match[2]
    place = max(file.find("modelmesh_core/"), file.find("site-packages/") + len("site-packages/") - 1, 0)
    return f"{file[place:].lstrip('/')}  {function}"


def measure(work: str, seconds: float, folder: Path) -> tuple[Profile, dict[str, tuple[float, float]], float, int]:
    """(profile, processor seconds by thread, wall seconds, requests)."""
    gateways, load = cores()
    os.sched_setaffinity(0, {load})
    upstream = upstream_for_chat if work == "chat" else upstream_for_streams
    with upstream(folder, load) as port, running(PEERS["modelmesh"], folder, port, gateways) as one:
        assert one.process is not None
        pid = one.process.pid
        chat.drive(one.target, 32, 2) if work == "chat" else streams.drive(one.target, 8)
        before, started, requests = thread_times(pid), perf_counter(), 0
        if work == "chat":
            requests = chat.drive(one.target, 32, seconds).requests
        else:
            streams.drive(one.target, 64)
            requests = 64 * streams.RUNS
        wall, after = perf_counter() - started, thread_times(pid)
        times = {
            name: (user - before.get(name, (0, 0))[0], system - before.get(name, (0, 0))[1])
            for name, (user, system) in after.items()
        }
        raw = folder / "stacks.txt"
        spy = threading.Thread(target=_record, args=(pid, seconds, raw))
        spy.start()
        while spy.is_alive():
            chat.drive(one.target, 32, 2) if work == "chat" else streams.drive(one.target, 64)
        with raw.open() as lines:
            return read_stacks(lines), times, wall, requests


def _record(pid: int, seconds: float, into: Path) -> None:
    beside = Path(sys.executable).with_name("py-spy")
    program = str(beside) if beside.exists() else "py-spy"
    command = [program, "record", "--pid", str(pid), "--duration", str(round(seconds)), "--rate", str(RATE)]
    command += ["--format", "raw", "--output", str(into), "--gil", "--function"]
    subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", choices=("chat", "streams"), default="chat")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--top", type=int, default=40, help="how many functions")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-profile-") as place:
        profile, times, wall, requests = measure(options.work, options.seconds, Path(place))
    what = "request" if options.work == "chat" else "stream"
    each = wall / requests * 1e6
    print(f"{requests / wall:,.0f} {what}s a second: {each:,.0f} µs each. The processor's, by thread, in µs:")
    for name, (user, system) in sorted(times.items(), key=lambda item: -sum(item[1])):
        if user + system > 0:
            print(f"  {name:22} user {user / requests * 1e6:7,.0f}   system {system / requests * 1e6:7,.0f}")
    python = each * profile.samples / (RATE * options.seconds)
    print(f"Of these, Python holds the interpreter {python:,.0f} µs:")
    for title, counts in (("with what it calls", profile.whole), ("itself", profile.own)):
        print(f"\nµs {title}")
        for name, count in counts.most_common(options.top):
            print(f"{python * count / profile.samples:8.1f}  {name}")


if __name__ == "__main__":
    sys.exit(main())
