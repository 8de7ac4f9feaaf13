"""``modelmesh serve``: the OpenAI-compatible gateway."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from .exits import Exit
from .meshes import open_mesh
from .parser import Commands

if TYPE_CHECKING:
    from .output import Output


def declare(commands: Commands) -> None:
    parser = commands.add(
        "serve",
        run,
        "serve the mesh over HTTP, in the OpenAI dialect",
        examples="  modelmesh serve --config modelmesh.yaml --host 127.0.0.1 --port 8080\n",
        json=False,
    )
    parser.add_argument("--host", metavar="ADDRESS", help="where to listen; default: proxy.host, else 127.0.0.1")
    parser.add_argument("--port", metavar="PORT", type=_port, help="default: proxy.port, else 8080; 0: any free one")


def _port(text: str) -> int:
    from argparse import ArgumentTypeError

    number = int(text)
    if not 0 <= number <= 65535:
        raise ArgumentTypeError(f"expected a port from 0 to 65535, found {number}")
    return number


def run(arguments: Namespace, output: Output) -> int:
    from ..gateway import ProxyServer

    with open_mesh(arguments) as mesh:
        ProxyServer(mesh, host=arguments.host, port=arguments.port).serve_forever()
    return Exit.SUCCESS
