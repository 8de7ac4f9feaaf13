"""Each test here runs against every engine, and against the one that works in the event loop on both loops."""

import ssl
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trustme
from modelmesh_core.transport import Transport, TransportOptions, create_transport
from modelmesh_core.transport.choice import ENGINES

NO_UVLOOP = pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not exist for Windows")


@pytest.fixture(params=[*ENGINES, pytest.param("httptools on uvloop", marks=NO_UVLOOP)])
def engine_and_loop(request: pytest.FixtureRequest) -> list[str]:
    return request.param.split(" on ")


@pytest.fixture
def engine(engine_and_loop: list[str]) -> str:
    return engine_and_loop[0]


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    with_engine = "engine_and_loop" in request.fixturenames
    return "asyncio", {"use_uvloop": with_engine and request.getfixturevalue("engine_and_loop")[1:] == ["uvloop"]}


@pytest.fixture
async def make_transport(engine: str) -> AsyncIterator[Callable[..., Transport]]:
    """Makes transports of the engine under test, and closes them at the end."""
    made: list[Transport] = []

    def make(**options: object) -> Transport:
        made.append(create_transport(engine, TransportOptions(**options)))
        return made[-1]

    yield make
    for transport in made:
        await transport.aclose()


@pytest.fixture
def transport(make_transport: Callable[..., Transport]) -> Transport:
    return make_transport()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """The server's side of TLS, for the name localhost."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)
