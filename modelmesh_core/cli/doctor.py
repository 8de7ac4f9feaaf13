"""``modelmesh doctor``: is everything in order, and if not, what to do."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from .exits import Exit
from .output import Cell
from .parser import Commands

if TYPE_CHECKING:
    from .checks import Finding
    from .output import Output

_STYLES = {"OK": "green", "WARN": "yellow", "FAIL": "bold red"}


def declare(commands: Commands) -> None:
    parser = commands.add(
        "doctor",
        run,
        "check the installation, the connectors, the configuration, secrets, storage and providers",
        details="Uses no network without --online. Exit code 1 says that something FAILed.",
    )
    parser.add_argument("--online", action="store_true", help="ask each provider by its free health call")


def run(arguments: Namespace, output: Output) -> int:
    findings = list(_findings(arguments))
    has_failed = any(finding.status == "FAIL" for finding in findings)
    if arguments.json:
        output.json({"ok": not has_failed, "checks": [finding._asdict() for finding in findings]})
    else:
        output.table(
            ("status", "check", "detail", "what to do"),
            [
                (Cell(finding.status, _STYLES[finding.status]), finding.check, finding.detail, finding.advice)
                for finding in findings
            ],
        )
    return Exit.FAILED if has_failed else Exit.SUCCESS


def _findings(arguments: Namespace) -> Iterator[Finding]:
    from ..registry import ConnectorRegistry
    from . import checks

    registry = ConnectorRegistry()
    yield from checks.check_python()
    yield from checks.check_fast_engine()
    yield from _guarded("connectors", lambda: checks.check_connectors(registry))
    config, found = checks.check_configuration(arguments, registry)
    yield from found
    if config is None:
        return
    basics = [
        *_guarded("secrets", lambda: checks.check_secrets(config, registry)),
        *_guarded("storage", lambda: checks.check_storage(config, registry)),
    ]
    yield from basics
    if any(finding.status == checks.FAIL for finding in basics):
        detail = "models, pools and providers are not looked at"
        yield checks.Finding("mesh", checks.WARN, detail, "Mend what failed first.")
    else:
        yield from _guarded("mesh", lambda: checks.check_mesh(arguments))


def _guarded(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of ``check``; what it raises is the last of them."""
    from ..errors import ModelMeshError
    from .checks import FAIL, Finding

    try:
        yield from check()
    except (ModelMeshError, ValueError, OSError, ImportError) as error:
        yield Finding(name, FAIL, str(error))
    except Exception as error:  # of a stranger's connector, whose words may hold a secret
        yield Finding(name, FAIL, f"a connector failed with {type(error).__name__}")
