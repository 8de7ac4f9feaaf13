"""Broken connections: the kind that retrying goes by, a message that names host and port, and never a secret."""

import gzip
import ssl
import sys
import traceback

import pytest
import trustme
from loopback import CHUNKED_HEAD, Exchange, Loopback, Proxy, chunk, reply
from modelmesh_core.errors import ConfigurationError, FailureKind, ProviderError
from modelmesh_core.transport import TransportOptions, create_transport
from modelmesh_core.wire.http import HttpRequest, HttpTimeouts

PATIENT = HttpTimeouts(connect=5, first_byte=5, idle=5, total=10)
SECRET = "sk-do-not-tell"


async def failure_of(transport, url):
    """The failure of a call that carries a secret wherever one can be: it must be told nowhere."""
    address = url.replace("://", f"://user:{SECRET}@") + f"?key={SECRET}"
    request = HttpRequest("POST", address, {"authorization": f"Bearer {SECRET}"}, SECRET.encode())
    with pytest.raises(ProviderError) as caught:
        await transport.send(request, PATIENT)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(caught.value.failure)
    return caught.value


async def reset_at_once(exchange: Exchange) -> None:
    exchange.reset()


async def close_at_once(exchange: Exchange) -> None:
    exchange.close()


async def speak_something_else(exchange: Exchange) -> None:
    await exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    exchange.close()


@pytest.mark.parametrize("behaviour", [reset_at_once, close_at_once, speak_something_else])
async def test_a_connection_that_breaks_before_the_head(transport, behaviour):
    async with Loopback(behaviour) as server:
        error = await failure_of(transport, server.url())
    assert error.failure.kind is FailureKind.CONNECTION
    assert f"127.0.0.1:{server.port}" in str(error)


async def test_a_kept_connection_that_breaks_under_the_next_call_is_not_retried(transport):
    async def once(exchange: Exchange) -> None:
        if len(server.requests) == 1:
            await exchange.send(reply())
        else:
            exchange.reset()

    async with Loopback(once) as server:
        await transport.send(HttpRequest("GET", server.url()), PATIENT)
        error = await failure_of(transport, server.url())
    assert (error.failure.kind, len(server.requests)) == (FailureKind.CONNECTION, 2)


async def test_a_refused_connection(transport):
    async with Loopback() as server:
        url = server.url()
    error = await failure_of(transport, url)
    assert error.failure.kind is FailureKind.CONNECTION
    assert f"127.0.0.1:{server.port}" in str(error)
    assert "refused" in str(error)


async def test_an_error_that_the_caller_is_handling_is_not_taken_for_the_reason(transport):
    async with Loopback(close_at_once) as server:
        try:
            raise PermissionError(13, "of the caller")
        except PermissionError:
            error = await failure_of(transport, server.url())
    assert "Permission denied" not in str(error)


async def test_a_name_that_does_not_resolve(transport):
    error = await failure_of(transport, "http://nobody.invalid:8080/v1")
    assert error.failure.kind is FailureKind.CONNECTION
    assert "nobody.invalid:8080" in str(error)


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nnot all of it",
        CHUNKED_HEAD + chunk(b"one"),
        CHUNKED_HEAD + chunk(b"one") + b"ff\r\nnot all of it",
        reply(gzip.compress(b"long " * 1000), head="content-encoding: gzip")[:-9],
    ],
    ids=["length", "between chunks", "within a chunk", "compressed"],
)
@pytest.mark.parametrize("ending", [Exchange.close, Exchange.reset])
async def test_a_body_that_ends_too_soon_is_cut(transport, sent, ending):
    async def behave(exchange: Exchange) -> None:
        await exchange.send(sent)
        ending(exchange)

    async with Loopback(behave) as server:
        error = await failure_of(transport, server.url())
    kinds = {FailureKind.STREAM_CUT} if ending is Exchange.close else {FailureKind.STREAM_CUT, FailureKind.CONNECTION}
    assert error.failure.kind in kinds  # a reset may overtake the head that was sent before it
    assert f"127.0.0.1:{server.port}" in str(error)


async def test_what_came_before_the_break_can_be_read(transport):
    async def behave(exchange: Exchange) -> None:
        await exchange.send(CHUNKED_HEAD + chunk(b"one"))
        exchange.close()

    async with Loopback(behave) as server:
        stream = await transport.open(HttpRequest("GET", server.url()), PATIENT)
        assert await stream.read_chunk() == b"one"
        with pytest.raises(ProviderError) as caught:
            await stream.read_chunk()
        await stream.aclose()
    assert (caught.value.failure.kind, caught.value.failure.status) == (FailureKind.STREAM_CUT, 200)


@pytest.mark.parametrize("url", ["http://", "ftp://host/", "http://host:99999/", "nonsense"])
async def test_a_url_that_cannot_be_called(transport, url):
    with pytest.raises(ProviderError) as caught:
        await transport.send(HttpRequest("GET", url), PATIENT)
    assert caught.value.failure.kind is FailureKind.CONNECTION


async def test_a_header_that_cannot_be_sent_is_not_repeated(transport):
    async with Loopback() as server:
        request = HttpRequest("GET", server.url(), {"authorization": f"Bearer {SECRET}\nx"})
        with pytest.raises(ProviderError) as caught:
            await transport.send(request, PATIENT)
    assert caught.value.failure.kind is FailureKind.CONNECTION
    assert SECRET not in "".join(traceback.format_exception(caught.value))


# --- TLS -------------------------------------------------------------------------------------------------------------


async def test_a_certificate_of_an_unknown_authority_is_refused(transport, server_tls):
    async with Loopback(tls=server_tls) as server:
        error = await failure_of(transport, server.url())
    assert error.failure.kind is FailureKind.CONNECTION
    assert f"localhost:{server.port}" in str(error)
    assert "certificate" in str(error)
    assert server.requests == []


async def test_an_authority_of_the_ca_file_is_trusted(make_transport, server_tls, ca_file):
    transport = make_transport(ca_file=ca_file)
    async with Loopback(tls=server_tls) as server:
        assert (await transport.send(HttpRequest("GET", server.url()), PATIENT)).body == b"ok"
        stream = await transport.open(HttpRequest("GET", server.url()), PATIENT)
        assert await stream.read_all(10) == b"ok"
        await stream.aclose()
    assert server.connections == 1


async def test_a_certificate_for_another_name_is_refused(make_transport, server_tls, ca_file):
    transport = make_transport(ca_file=ca_file)
    async with Loopback(tls=server_tls) as server:
        error = await failure_of(transport, server.url().replace("localhost", "127.0.0.1"))
    assert (error.failure.kind, server.requests) == (FailureKind.CONNECTION, [])


async def test_the_ca_file_replaces_the_authorities_that_are_trusted_by_default(
    engine, server_tls, ca_file, tmp_path, monkeypatch
):
    # The machine trusts the server's authority; the transport is told to trust another one only.
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    other = tmp_path / "other.pem"
    other.write_bytes(trustme.CA().cert_pem.bytes())
    transport = create_transport(engine, TransportOptions(ca_file=str(other)))
    async with Loopback(tls=server_tls) as server:
        error = await failure_of(transport, server.url())
        await transport.aclose()
    assert error.failure.kind is FailureKind.CONNECTION


async def test_plain_http_on_a_tls_port_breaks(transport, server_tls: ssl.SSLContext):
    async with Loopback(tls=server_tls) as server:
        error = await failure_of(transport, server.url().replace("https:", "http:"))
    assert error.failure.kind is FailureKind.CONNECTION


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_ca_file_that_cannot_be_used_is_a_configuration_error(engine, tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        create_transport(engine, TransportOptions(ca_file=str(path)))


# --- proxies ---------------------------------------------------------------------------------------------------------


async def test_plain_calls_go_through_the_proxy_in_absolute_form(make_transport):
    async with Proxy() as proxy, Loopback() as server:
        transport = make_transport(proxy_url=f"http://user:{SECRET}@127.0.0.1:{proxy.port}")
        response = await transport.send(HttpRequest("POST", server.url("/v1?a=b"), {}, b"body"), PATIENT)
    assert response.body == b"ok"
    assert (server.requests[0].target, server.requests[0].body) == ("/v1?a=b", b"body")
    assert (proxy.requests[0].method, proxy.requests[0].target) == ("POST", server.url("/v1?a=b"))
    assert proxy.requests[0].headers["proxy-authorization"].startswith("Basic ")


async def test_tls_calls_go_through_a_tunnel_of_the_proxy(make_transport, server_tls, ca_file):
    async with Proxy() as proxy, Loopback(tls=server_tls) as server:
        transport = make_transport(proxy_url=f"http://user:{SECRET}@127.0.0.1:{proxy.port}", ca_file=ca_file)
        response = await transport.send(HttpRequest("GET", server.url(), {"x-api-key": SECRET}), PATIENT)
    assert response.body == b"ok"
    assert (proxy.requests[0].method, proxy.requests[0].target) == ("CONNECT", f"localhost:{server.port}")
    assert "x-api-key" not in proxy.requests[0].headers
    assert "proxy-authorization" not in server.requests[0].headers


async def test_the_engines_own_tunnel_reaches_the_server(make_transport, server_tls):
    async with Proxy() as proxy, Loopback(tls=server_tls) as server:
        transport = make_transport(proxy_url=f"http://127.0.0.1:{proxy.port}")
        error = await failure_of(transport, server.url())  # without a ca_file: refused, but by the server's certificate
    assert proxy.requests[0].method == "CONNECT"
    assert "certificate" in str(error)


async def test_a_proxy_that_refuses_or_is_not_there(make_transport):
    async def refuse(exchange: Exchange) -> None:
        await exchange.send(reply(status="407 Proxy Authentication Required"))

    async with Loopback(refuse) as proxy:
        proxy_url = f"http://user:{SECRET}@127.0.0.1:{proxy.port}"
        errors = [await failure_of(make_transport(proxy_url=proxy_url), "https://api.example/v1")]
    errors.append(await failure_of(make_transport(proxy_url=proxy_url), "https://api.example/v1"))
    for error in errors:
        assert error.failure.kind is FailureKind.CONNECTION
        assert f"api.example:443 through the proxy 127.0.0.1:{proxy.port}" in str(error)


async def test_a_proxy_of_the_environment_is_not_used(make_transport, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Loopback() as server:
        assert (await make_transport().send(HttpRequest("GET", server.url()), PATIENT)).status == 200


@pytest.mark.parametrize("address", ["nowhere", "gopher://host:1", f"http://:{SECRET}@", "http://host:99999"])
def test_a_proxy_url_that_is_none_is_a_configuration_error(engine, address):
    with pytest.raises(ConfigurationError, match="proxy_url") as caught:
        create_transport(engine, TransportOptions(proxy_url=address))
    assert SECRET not in str(caught.value)


# --- what is installed -----------------------------------------------------------------------------------------------


async def test_a_machine_without_authorities_can_call_all_the_same(make_transport, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    async with Loopback() as server:
        assert (await make_transport().send(HttpRequest("GET", server.url()), PATIENT)).status == 200


@pytest.mark.parametrize(("name", "module"), [("pyreqwest", "pyreqwest.client"), ("httptools", "httptools")])
def test_a_fast_engine_that_is_not_installed_is_a_configuration_error(monkeypatch, name, module):
    for known in [known for known in sys.modules if known.startswith(f"modelmesh_core.transport.{name}_")]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=f"{name} is not installed"):
        create_transport(name, TransportOptions())
    create_transport("auto", TransportOptions())


def test_an_engine_that_nobody_knows_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="expected one of auto, httpx, pyreqwest, httptools"):
        create_transport("curl", TransportOptions())
