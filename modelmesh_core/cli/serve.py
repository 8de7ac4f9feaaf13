"""``modelmesh serve``: the OpenAI-compatible gateway."""

from __future__ import annotations

import logging
from argparse import Namespace
from typing import TYPE_CHECKING

from .exits import Exit
from .meshes import load_config, open_mesh
from .parser import Commands, whole_number

if TYPE_CHECKING:
    from ..config import MeshConfig
    from .output import Output

logger = logging.getLogger("modelmesh.gateway")

MOST_WORKERS = 64
MEMORY = ("modelmesh.memory.v1", "memory")


def declare(commands: Commands) -> None:
    parser = commands.add(
        "serve",
        run,
        "serve the mesh over HTTP, in the OpenAI dialect",
        details="Logs to standard error. SIGTERM and Ctrl-C let requests under way end first; SIGHUP reads the\n"
        "configuration again.",
        examples="  modelmesh serve --config modelmesh.yaml --host 127.0.0.1 --port 8080\n",
        json=False,
    )
    parser.set_defaults(log_level="INFO")
    parser.add_argument("--host", metavar="ADDRESS", help="where to listen; default: proxy.host, else 127.0.0.1")
    port = whole_number(0, 65535)
    workers = whole_number(1, MOST_WORKERS)
    parser.add_argument("--workers", metavar="N", type=workers, help="processes; default: proxy.workers, else 1")
    parser.add_argument("--port", metavar="PORT", type=port, help="default: proxy.port, else 8080; 0: any free one")


def run(arguments: Namespace, output: Output) -> int:
    from ..gateway import ProxyServer
    from ..gateway.workers import Berth

    berth = Berth.of_environment()
    if berth is None:
        config = load_config(arguments)
        workers = config.proxy.workers if arguments.workers is None else arguments.workers
        if workers > 1:
            return _serve_by_many(arguments, config, workers)
    with open_mesh(arguments) as mesh:
        ProxyServer(mesh, host=arguments.host, port=arguments.port, berth=berth).serve_forever()
    return Exit.SUCCESS


def _serve_by_many(arguments: Namespace, config: MeshConfig, workers: int) -> int:
    import queue
    import sys

    from ..gateway.foreground import signals_to
    from ..gateway.server import listen, url_of
    from ..gateway.workers import Workers

    _refuse_memory(config)
    command = [sys.executable, "-m", "modelmesh_core.cli", "serve"]
    if arguments.config:
        command += ["--config", arguments.config]
    if getattr(arguments, "verbose", False):
        command.append("--verbose")
    inbox: queue.SimpleQueue[int] = queue.SimpleQueue()
    with listen(config.proxy, arguments.host, arguments.port) as listener, signals_to(inbox):
        logger.info("%d workers are serving on %s", workers, url_of(listener))
        Workers(command, workers, listener).run(inbox)
    return Exit.SUCCESS


def _refuse_memory(config: MeshConfig) -> None:
    """Raises ConfigurationError for a storage that every process has for itself."""
    from ..errors import ConfigurationError, Problem

    storage = config.storage
    if storage.connector in MEMORY or storage.sync_policy == "in-memory":
        raise ConfigurationError(
            [Problem("several workers share limits, budgets and keys through the storage", ("storage",))],
            hint="Use modelmesh.sqlite.v1 (the default of the gateway), or proxy.workers: 1.",
        )
