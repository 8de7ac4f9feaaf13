"""A disk that fills up: what was kept is there, what was not is an error, and it goes on when there is room."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROCESS = Path(__file__).with_name("full_disk.py")


@pytest.mark.parametrize("connector", ["modelmesh.sqlite.v1", "modelmesh.local-file.v1"])
def test_a_full_disk_is_an_error_and_loses_nothing(connector, tmp_path):
    command = [sys.executable, PROCESS, connector, tmp_path / "store"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert 0 < seen["saved"] < 200
    assert seen["refused"], "the save that did not fit was refused"
    assert seen["whole"] and not seen["half"]
    assert seen["before"] == "whole"
    assert seen["counted"] == [1, 2]
