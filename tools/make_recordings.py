"""Replay the shared recordings, and write what was found to docs/data/recordings.json, for docs/recordings.md.

python tools/make_recordings.py [FOLDER]    FOLDER is ../shared/recordings unless told

Ends with 1, and writes nothing, if the recordings that do not replay as equal are not those of
docs/data/unequal_recordings.toml.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from extraction import plain_of, read  # noqa: E402
from modelmesh_core.testing import replay  # noqa: E402
from recorded import RECORDINGS, reasons, rows_of  # noqa: E402

RESULTS = ROOT / "docs" / "data" / "recordings.json"


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else RECORDINGS
    equal: dict[str, Counter[str]] = defaultdict(Counter)
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    connectors: dict[str, Counter[str]] = defaultdict(Counter)
    streams: Counter[str] = Counter()
    unequal: set[str] = set()
    for path in sorted(folder.glob("*.jsonl")):
        for row in rows_of(path):
            seen[path.stem][row["kind"]] += 1
            replayed = replay(row)
            if not replayed.ok or plain_of(replayed.to_dict()) != read(row):
                unequal.add(row["id"])
                continue
            equal[path.stem][row["kind"]] += 1
            streams[path.stem] += row["stream"]
            connectors[str(replayed.connector)][row["kind"]] += 1
    listed = set(reasons())
    for identity in sorted(unequal ^ listed):
        print(f"{'unlisted' if identity in unequal else 'listed, but equal'}: {identity}")
    if not seen or unequal != listed:
        return 1
    found = {"recordings": seen, "equal": equal, "streams": +streams, "connectors": connectors}
    RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
