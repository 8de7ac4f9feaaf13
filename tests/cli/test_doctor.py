"""``modelmesh doctor``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]
Run = Callable[..., Any]


def found(result: Any, check: str) -> list[dict[str, str]]:
    return [finding for finding in result.json["checks"] if finding["check"] == check]


def test_all_is_well(run: Run, write_config: Write, upstream: Any) -> None:
    write_config()
    result = run("doctor", "--json")
    assert result.code == 0
    assert result.json["ok"] is True
    assert {finding["status"] for finding in result.json["checks"]} <= {"OK", "WARN"}
    assert "modelmesh.yaml" in found(result, "configuration")[0]["detail"]
    assert "modelmesh.sqlite.v1" in found(result, "storage")[0]["detail"]
    assert "1 of 1 model" in found(result, "pools")[0]["detail"]
    assert "--online" in found(result, "providers")[0]["detail"]


def test_people_see_a_line_for_each_check(run: Run, write_config: Write) -> None:
    write_config()
    result = run("doctor")
    assert result.code == 0
    lines = result.out.splitlines()[1:]
    assert len(lines) >= 8
    assert all(line.split()[0] in ("OK", "WARN") for line in lines)


def test_online_asks_the_providers_by_their_free_call(run: Run, write_config: Write, upstream: Any) -> None:
    write_config()
    assert "answers" in found(run("doctor", "--json", "--online"), "providers")[0]["detail"]
    upstream.listing_status = 401
    result = run("doctor", "--json", "--online")
    assert result.code == 1
    (finding,) = found(result, "providers")
    assert finding["status"] == "FAIL"
    assert "no such key" in finding["detail"]
    assert finding["advice"]
    assert upstream.asked == []


def test_a_missing_secret_is_named_with_its_place(
    run: Run, write_config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_config()
    text = path.read_text().replace(
        "openai-compatible.v1,", "openai-compatible.v1, api_key: '${secrets:NO_SUCH}', headers: {a: '${env:THIS_ONE}'},"
    )
    path.write_text(text)
    monkeypatch.setenv("THIS_ONE", "hunter2")
    result = run("doctor", "--json")
    assert result.code == 1
    missing, present = found(result, "secrets")
    assert missing["status"] == "FAIL"
    assert "modelmesh.yaml:2:" in missing["detail"]
    assert "NO_SUCH" in missing["advice"]
    assert present["status"] == "OK"
    assert "THIS_ONE" in present["detail"]
    assert "hunter2" not in result.out


def test_a_configuration_with_mistakes(run: Run, write_config: Write) -> None:
    write_config(pool="strategi: round-robin", more="poools: {}")
    result = run("doctor", "--json")
    assert result.code == 1
    assert [finding["status"] for finding in found(result, "configuration")] == ["FAIL", "FAIL"]
    assert "modelmesh.yaml:9:5" in found(result, "configuration")[0]["detail"]


def test_a_storage_that_cannot_be_written_to(run: Run, write_config: Write, home: Path) -> None:
    (home / "occupied").write_text("a file where a folder is needed")
    write_config(more="storage: {connector: modelmesh.sqlite.v1, path: occupied/state.db}")
    result = run("doctor", "--json")
    assert result.code == 1
    assert found(result, "storage")[0]["status"] == "FAIL"
    assert "occupied" in found(result, "storage")[0]["detail"]


def test_a_broken_connector_is_named_with_its_distribution_and_error(
    run: Run, write_config: Write, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config()
    information = home / "packages" / "sad_package-1.2.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: sad-package\nVersion: 1.2\n")
    (information / "entry_points.txt").write_text("[modelmesh.connectors]\nprovider.sad.api.v1 = no_such_module_here\n")
    monkeypatch.syspath_prepend(str(home / "packages"))
    result = run("doctor", "--json")
    assert result.code == 1
    broken = next(finding for finding in found(result, "connectors") if finding["status"] == "FAIL")
    assert "sad-package 1.2" in broken["detail"]
    assert "no_such_module_here" in broken["detail"]
    assert "sad-package" in broken["advice"]
    assert found(result, "pools")[0]["status"] == "OK"
