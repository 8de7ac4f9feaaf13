"""The recorded exchanges of providers."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"


@pytest.fixture(scope="session")
def recorded() -> Callable[..., list[dict[str, Any]]]:
    """The rows of a provider's recordings, for example ``recorded("anthropic")``."""

    def recorded(*providers: str) -> list[dict[str, Any]]:
        if not RECORDINGS.is_dir():
            if os.environ.get("CI"):
                raise AssertionError("the recorded exchanges are not in ../shared/recordings")
            pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
        paths = [RECORDINGS / f"{provider}.jsonl" for provider in providers]
        return [json.loads(line) for path in paths for line in path.open(encoding="utf-8")]

    return recorded
