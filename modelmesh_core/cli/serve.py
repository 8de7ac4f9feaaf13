"""``modelmesh serve``: the OpenAI-compatible gateway."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from .exits import Exit
from .meshes import open_mesh
from .parser import Commands, whole_number

if TYPE_CHECKING:
    from .output import Output


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
    parser.add_argument("--port", metavar="PORT", type=port, help="default: proxy.port, else 8080; 0: any free one")


def run(arguments: Namespace, output: Output) -> int:
    from ..gateway import ProxyServer

    with open_mesh(arguments) as mesh:
        ProxyServer(mesh, host=arguments.host, port=arguments.port).serve_forever()
    return Exit.SUCCESS
