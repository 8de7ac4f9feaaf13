"""A stranger's plugin, from source to answer: wheels built, installed with pip into a clean venv, named in YAML."""

import json
import os
import subprocess
import sys
import textwrap
import venv
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).parents[2]


def run(*command, cwd=None, **more):
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, timeout=300, **more
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of a clean venv that holds wheels of the core, the example plugin and a broken one."""
    folder = tmp_path_factory.mktemp("stranger")
    broken = folder / "broken"
    broken.mkdir()
    (broken / "acme_broken.py").write_text("raise RuntimeError('this plugin was never tried')\n")
    (broken / "pyproject.toml").write_text(
        textwrap.dedent("""
            [build-system]
            requires = ["hatchling"]
            build-backend = "hatchling.build"
            [project]
            name = "acme-broken"
            version = "0.3"
            [project.entry-points."modelmesh.connectors"]
            "provider.acme.broken.v1" = "acme_broken"
            [tool.hatch.build.targets.wheel]
            include = ["acme_broken.py"]
        """)
    )
    wheels = folder / "wheels"
    for source in (ROOT, ROOT / "plugins" / "example-acme", broken):
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", wheels, source)
    venv.create(folder / "venv", with_pip=True)
    binary = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(binary, "-m", "pip", "install", "--quiet", *wheels.glob("*.whl"))
    return binary


@pytest.fixture
def acme():
    """The vendor's server; it notes what it is asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append({"path": self.path, "authorization": self.headers["authorization"], **body})
            answer = json.dumps({"echo": body["text"][::-1], "words": 3}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args): ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_an_installed_provider_and_strategy_are_simply_there(python, acme, tmp_path):
    url, asked = acme
    (tmp_path / "mesh.yaml").write_text(
        textwrap.dedent(f"""
            providers:
              acme:
                connector: acme.echo.v1
                base_url: {url}
                api_key: ${{env:ACME_KEY}}
                shout: true
            pools:
              chat:
                capability: chat-completion
                strategy: acme.shortest-name.v1
        """)
    )
    script = textwrap.dedent("""
        from modelmesh_core import ModelMesh
        with ModelMesh.from_yaml("mesh.yaml") as mesh:
            client = mesh.get_client()
            reply = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "hello"}])
            print(reply.choices[0].message.content, reply.modelmesh.model)
    """)
    said = run(python, "-c", script, cwd=tmp_path, env={**os.environ, "ACME_KEY": "secret-1"})
    assert said.split() == ["OLLEH", "acme.owl"]
    assert asked == [{"path": "/say", "authorization": "Token secret-1", "voice": "owl", "text": "HELLO"}]


def test_its_options_are_checked_by_its_own_schema(python, tmp_path):
    script = textwrap.dedent("""
        from modelmesh_core import ConfigurationError, MeshConfig
        try:
            MeshConfig.from_dict({"providers": {"acme": {"connector": "acme.echo.v1", "shoot": True}}})
        except ConfigurationError as error:
            print(error)
    """)
    assert "shout" in run(python, "-c", script, cwd=tmp_path)


def test_a_plugin_that_raises_on_import_is_reported_and_the_mesh_still_starts(python, tmp_path):
    script = textwrap.dedent("""
        from modelmesh_core import ConfigurationError, ConnectorError, ModelMesh
        good = {"connector": "acme.echo.v1", "base_url": "http://127.0.0.1:9", "api_key": "k"}
        with ModelMesh({"providers": {"acme": good}}) as mesh:
            print("started with", len(mesh.engine.models), "models")
        try:
            ModelMesh({"providers": {"b": {"connector": "acme.broken.v1", "api_key": "k"}}}).initialize()
        except (ConfigurationError, ConnectorError) as error:
            print(error)
        with ModelMesh.from_env(environ={"ACME": "1", "OPENAI_API_KEY": "k"}) as mesh:
            print("detected", [p for p in mesh.engine.providers])
    """)
    said = run(python, "-c", script, cwd=tmp_path)
    assert "started with 2 models" in said
    assert "acme-broken 0.3" in said
    assert "RuntimeError: this plugin was never tried" in said
    assert "detected ['openai']" in said
    listed = json.loads(run(python.with_name("modelmesh"), "connectors", "list", "--json", cwd=tmp_path))
    assert "acme.broken.v1" in json.dumps(listed)
