"""``python -m modelmesh_core.testing.replay FILE.jsonl --json``: a cassette through the installed connectors.

Prints one line an exchange, and exits with 0 when every line is ok, 1 when one is not, 2 for wrong usage. The function
of the same name does one exchange: ``modelmesh_core.testing.replay(recording)``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import orjson

from .replaying import Replayed, replay_file
from .replaying import replay as replay_one


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m modelmesh_core.testing.replay", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE.jsonl", help="recorded exchanges, one JSON object a line")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    arguments = parser.parse_args(argv)
    total = good = 0
    for file in arguments.files:
        try:
            for replayed in replay_file(file):
                total, good = total + 1, good + replayed.ok
                print(orjson.dumps(replayed.to_dict(), default=str).decode() if arguments.json else _line(replayed))
        except OSError as error:
            print(f"error: {file} cannot be read: {error.strerror}", file=sys.stderr)
            return 2
    if not arguments.json:
        print(f"{good} of {total} are ok.")
    return 0 if good == total else 1


def _line(replayed: Replayed) -> str:
    verdict = "ok    " if replayed.ok else "FAILED"
    failure = f" ({replayed.failure.kind.value})" if replayed.failure is not None else ""
    why = f": {replayed.error}" if replayed.error else ""
    return f"{verdict} {replayed.id} {replayed.connector or '-'}{failure}{why}"


class _CallableModule(ModuleType):
    """Importing this module puts it where the function stands on the face: it has to be both."""

    def __call__(self, *arguments: Any, **options: Any) -> Replayed:
        return replay_one(*arguments, **options)


sys.modules[__name__].__class__ = _CallableModule

if __name__ == "__main__":
    sys.exit(main())
