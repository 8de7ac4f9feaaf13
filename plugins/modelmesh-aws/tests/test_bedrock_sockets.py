"""What arrives over a real socket is what was signed, whichever engine sends it."""

import socket
import threading

import pytest
from modelmesh_core import ModelMesh

ARN = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-x-v1:0"
BODY = b'{"output":{"message":{"content":[{"text":"hi"}]}},"stopReason":"end_turn"}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"


@pytest.fixture
def server():
    """A server's port, and the requests that it got."""
    got = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                lines = list(iter(lambda: stream.readline().rstrip(b"\r\n").decode(), ""))
                named = (line.split(": ", 1) for line in lines[1:])
                headers = {name.lower(): value for name, value in named}
                got.append((lines[0].split(" ")[1], headers, stream.read(int(headers["content-length"]))))
                connection.sendall(ANSWER % (len(BODY), BODY))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], got
        thread.join(5)


@pytest.mark.parametrize("engine", ["httpx", "pyreqwest", "httptools"])
def test_signature_fits_what_arrives(server, engine):
    auth = pytest.importorskip("botocore.auth", reason="compares with botocore, which is not installed")
    pytest.importorskip(engine, reason=f"needs the HTTP engine {engine}")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    port, got = server
    account = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "a/secret", "session_token": "token=="}
    provider = {"connector": "aws.bedrock.v1", "base_url": f"http://LOCALHOST:{port}", "region": "eu-west-1", **account}
    model = {"provider": "bedrock", "upstream_model": ARN, "capabilities": ["chat-completion"]}
    config = {"providers": {"bedrock": provider}, "models": {"bedrock.mine": model}, "http_engine": engine}
    with ModelMesh(config) as mesh:
        mesh.get_client().chat.completions.create(model="bedrock.mine", messages=[{"role": "user", "content": "Grüße"}])

    ((path, headers, body),) = got
    boto = auth.SigV4Auth(Credentials("AKIDEXAMPLE", "a/secret", "token=="), "bedrock", "eu-west-1")
    signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    request = AWSRequest("POST", f"http://{headers['host']}{path}", data=body)
    for name in signed:
        request.headers[name] = headers[name]
    request.context["timestamp"] = headers["x-amz-date"]
    expected = boto.signature(boto.string_to_sign(request, boto.canonical_request(request)), request)
    assert headers["authorization"].endswith(f"Signature={expected}")
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(signed)
