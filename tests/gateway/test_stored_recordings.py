"""A large recording goes to the vendor from the disk, whole, and is never in memory as one piece."""

import httpx
import pytest
from loopback import Loopback, reply
from modelmesh_core import ModelMesh
from modelmesh_core.gateway import ProxyServer
from modelmesh_core.wire.stored import StoredBytes

SOUND = bytes(range(256)) * 12_000
ANSWERS = {
    "deepgram.speech.v1": b'{"results": {"channels": [{"alternatives": [{"transcript": "heard"}]}]}}',
    "elevenlabs.tts.v1": b'{"text": "heard", "words": []}',
    "assemblyai.stt.v1": b'{"upload_url": "https://cdn.test/a", "id": "1", "status": "completed", "text": "heard"}',
}


@pytest.mark.parametrize("connector", ANSWERS)
async def test_it_stays_on_disk(connector, monkeypatch):
    largest = 0
    read = StoredBytes.read

    def watched(self):
        nonlocal largest
        largest = max(largest, len(self))
        return read(self)

    monkeypatch.setattr(StoredBytes, "read", watched)

    async def hear(exchange):
        await exchange.send(reply(ANSWERS[connector], head="content-type: application/json"))

    async with Loopback(hear) as vendor:
        account = {"connector": connector, "api_key": "k" * 20, "base_url": f"http://127.0.0.1:{vendor.port}"}
        models = {"a.hear": {"provider": "a", "capabilities": ["speech-to-text"]}}
        mesh = ModelMesh({"providers": {"a": account}, "models": models, "proxy": {"port": 0}}, environ={})
        server = ProxyServer(mesh, port=0).start()
        try:
            async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
                files = {"file": ("a.wav", SOUND, "audio/wav")}
                answer = await http.post("/v1/audio/transcriptions", data={"model": "a.hear"}, files=files)
        finally:
            server.stop()
    assert answer.json()["text"] == "heard", answer.text
    assert SOUND in vendor.requests[0].body
    assert 0 < largest < 1024 * 1024
