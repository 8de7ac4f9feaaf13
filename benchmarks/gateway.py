"""`modelmesh serve` beside other gateways: the same work through each in one run, on one core, ratios first.

    python benchmarks/gateway.py
    python benchmarks/gateway.py --peers modelmesh,bare,smg --work chat,latency --seconds 3
    python benchmarks/gateway.py --work soak --minutes 60 --peers modelmesh
    python benchmarks/gateway.py --install-peers FOLDER

The gateways have the first core, load and upstream the last. benchmarks/README.md tells what is measured and how.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import report
from load import Target, chat, latency, streams
from peers import PEERS, Running, install, running, upstream_for_chat, upstream_for_streams
from processes import cores

WORK = ("chat", "latency", "streams", "memory", "start")
SOAK = "soak"
"""Only where it is asked for: it takes its time."""
LADDER = (8, 16, 32, 64, 128, 256)
IN_FLIGHT = 32
ROUNDS = 5
STARTS = 3


def main(words: Sequence[str] | None = None) -> int:
    options = _options(words)
    if options.install_peers is not None:
        install(options.install_peers.resolve())
        return 0
    names, missing = _choose(options.peers)
    gateways, load = cores()
    if gateways == load:
        print("one core only: gateways, load and upstream share it, so the figures say little", file=sys.stderr)
    os.sched_setaffinity(0, {load})
    results = report.Results(missing=missing)
    with tempfile.TemporaryDirectory(prefix="gateway-benchmark-") as place:
        run = Run(Path(place), gateways, load, options, results)
        if {"chat", "latency", "memory"} & options.work:
            run.calls(names, options.work)
        if "streams" in options.work:
            run.streams(names, options.levels)
        if "start" in options.work:
            run.starts(names)
        if SOAK in options.work:
            for name in names:
                run.soak(name, options.minutes)
    print(json.dumps(results.as_json(), indent=2) if options.json else report.render(results))
    return 1 if results.errors.get("modelmesh") else 0


class Run:
    """One comparison: what is measured of each peer goes into ``results``."""

    def __init__(
        self, folder: Path, gateways: int, load: int, options: argparse.Namespace, results: report.Results
    ) -> None:
        self._folder, self._gateways, self._load = folder, gateways, load
        self._seconds: float = options.seconds
        self._rounds: int = options.rounds
        self._results = results

    def calls(self, names: Sequence[str], work: set[str]) -> None:
        """Calls that are not streamed, in rounds over all peers, each of which has its core to itself meanwhile.

        Each round starts all of them anew: two processes of one program differ by up to a fifth, by where their memory
        happens to lie, and stay so as long as they live. The next round begins with the next peer.
        """
        for number in range(self._rounds):
            with upstream_for_chat(self._folder, self._load) as port:
                self._ask(Running("direct", Target(port, {}), None, 0, 0), work)
                first = number % max(1, len(names))
                for name in (*names[first:], *names[:first]):
                    self._say(f"round {number + 1} of {self._rounds}: {name}")
                    with self._started(name, port) as one:
                        if one is not None:
                            self._ask(one, work)
        for name in self._results.missing:
            self._results.forget(name)

    def _ask(self, one: Running, work: set[str]) -> None:
        """One peer's part of a round."""
        chat.drive(one.target, IN_FLIGHT, 1)
        if "chat" in work:
            self._results.add_chat(one.name, chat.drive(one.target, IN_FLIGHT, self._seconds))
        if "latency" in work:
            self._results.add_latency(one.name, latency.drive(one.target, self._seconds))
        if one.process is not None:
            self._results.memory[one.name] = (one.memory_at_start, one.process.memory())

    def streams(self, names: Iterable[str], levels: Sequence[int]) -> None:
        """For each peer more and more streams at once, until the median one is held up."""
        with upstream_for_streams(self._folder, self._load) as port:
            directly = Target(port, {})
            streams.drive(directly, 2)
            for count in levels:
                self._say(f"{count} streams: direct")
                self._results.add_streams("direct", streams.drive(directly, count))
            for name in names:
                with self._started(name, port) as one:
                    if one is not None:
                        self._climb(one, levels)

    def _climb(self, one: Running, levels: Sequence[int]) -> None:
        streams.drive(one.target, 2)
        for count in levels:
            self._say(f"{count} streams: {one.name}")
            self._results.add_streams(one.name, streams.drive(one.target, count))
            if self._results.held(one.name) < count:
                return

    def starts(self, names: Iterable[str]) -> None:
        """Each started anew, several times."""
        with upstream_for_chat(self._folder, self._load) as port:
            for name in names:
                self._say(f"cold start: {name}")
                try:
                    times = [self._start_once(name, port) for _ in range(STARTS)]
                except RuntimeError as error:
                    self._results.missing[name] = str(error)
                    continue
                self._results.starts[name] = statistics.median(times)

    def soak(self, name: str, minutes: int) -> None:
        """One peer under full load: how much memory it has after each minute."""
        with (
            upstream_for_chat(self._folder, self._load) as port,
            running(PEERS[name], self._folder, port, self._gateways) as one,
        ):
            assert one.process is not None
            found = self._results.soak[name] = [one.memory_at_start]
            for number in range(minutes):
                self._results.count(name, chat.drive(one.target, IN_FLIGHT, 60))
                found.append(one.process.memory())
                self._say(f"{name}: {found[-1] / 1e6:.0f} MB after {number + 1} of {minutes} minutes")

    def _start_once(self, name: str, port: int) -> float:
        with running(PEERS[name], self._folder, port, self._gateways) as one:
            return one.ready_after

    @contextmanager
    def _started(self, name: str, port: int) -> Iterator[Running | None]:
        """The peer, running. None for one that did not start, which is reported and left out."""
        with ExitStack() as stack:
            one: Running | None = None
            if name not in self._results.missing:
                try:
                    one = stack.enter_context(running(PEERS[name], self._folder, port, self._gateways))
                except RuntimeError as error:
                    self._results.missing[name] = str(error)
            yield one

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _choose(wanted: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """(peers that are installed, why the others are left out)."""
    names: list[str] = []
    missing: dict[str, str] = {}
    for name in wanted:
        if PEERS[name].program() is None:
            missing[name] = f"not installed ({PEERS[name].install})"
        else:
            names.append(name)
    return names, missing


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peers", type=_list_of(PEERS), default=list(PEERS), help="default: all that are installed")
    parser.add_argument(
        "--work", type=_list_of((*WORK, SOAK)), default=list(WORK), help=f"default: {','.join(WORK)}; or {SOAK}"
    )
    parser.add_argument("--minutes", type=int, default=10, help=f"how long {SOAK} goes on for each peer")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"each with fresh processes; default: {ROUNDS}")
    parser.add_argument("--seconds", type=float, default=3, help="how long each peer is asked in a round")
    parser.add_argument("--levels", type=_numbers, default=list(LADDER), help="streams at once; default: 8,16,...,256")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--install-peers", type=Path, metavar="FOLDER", help="install smg, LiteLLM and Portkey there")
    options = parser.parse_args(words)
    options.work = set(options.work)
    return options


def _list_of(known: Iterable[str]) -> object:
    def read(text: str) -> list[str]:
        found = text.split(",")
        if unknown := [word for word in found if word not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(known)}")
        return found

    return read


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
