"""Against a server that behaves as the Connect API's documentation says."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from background_server import in_background
from loopback import Loopback, reply
from modelmesh_core import ConnectorError, ModelMeshError, Secret
from modelmesh_core.testing import FakeClock, SecretStoreConformance
from modelmesh_onepassword.options import ConnectOptions
from modelmesh_onepassword.store import ConnectSecretStore

TOKEN = "connect-5EC4E7"
VAULT = "abcdefghijklmnopqrstuvwxyz"


class Connect(Loopback):
    """A Connect server with vaults and the items of the first."""

    def __init__(self):
        super().__init__(self.answer)
        self.vaults = {VAULT: "Models"}
        self.items = {}
        self.troubles = []
        self.made = 0

    async def answer(self, exchange):
        status, body = self.respond(exchange)
        content = b"" if body is None else json.dumps(body).encode()
        await exchange.send(reply(content, status=status, head="content-type: application/json"))

    def respond(self, exchange):
        if self.troubles:
            return self.troubles.pop(0), {"status": 500, "message": "try later"}
        shown = exchange.headers.get("authorization", "").removeprefix("Bearer ")
        if shown != TOKEN:
            return "401 Unauthorized", {"status": 401, "message": f"Invalid token {shown}"}
        parts = urlsplit(exchange.target)
        if parts.path == "/v1/vaults":
            return "200 OK", [{"id": key, "name": name} for key, name in self.vaults.items() if fits(parts, name)]
        found = re.fullmatch(rf"/v1/vaults/{VAULT}/items(?:/([a-z0-9]+))?", parts.path)
        if found is None:
            return "403 Forbidden", {"status": 403, "message": "vault is not in scope"}
        body = json.loads(exchange.body) if exchange.body else None
        return self.of_items(exchange, parts, body) if found[1] is None else self.of_item(exchange, found[1], body)

    def of_items(self, exchange, parts, body):
        if exchange.method == "POST":
            assert body["vault"] == {"id": VAULT} and body["category"] == "API_CREDENTIAL"
            return "200 OK", self.add(body["title"], *body["fields"])
        rows = [item for item in self.items.values() if fits(parts, item["title"])]
        return "200 OK", [{key: row[key] for key in ("id", "title")} for row in rows]

    def of_item(self, exchange, key, body):
        if key not in self.items:
            return "404 Not Found", {"status": 404, "message": "item not found"}
        item = self.items[key]
        if exchange.method == "DELETE":
            del self.items[key]
            return "204 No Content", None
        for change in body or []:
            self.patch(item, change)
        return "200 OK", item

    def patch(self, item, change):
        _, _, *place = change["path"].split("/")
        if change["op"] == "add":
            self.made += 1
            item["fields"].append({"id": f"field{self.made}", **change["value"]})
            return
        field = next(field for field in item["fields"] if field["id"] == place[0])
        if change["op"] == "replace":
            field[place[1]] = change["value"]
        else:
            item["fields"].remove(field)

    def add(self, title, *fields):
        self.made += 1
        key = f"item{self.made}"
        own = [{"id": f"{key}f{number}", **field} for number, field in enumerate(fields)]
        self.items[key] = {"id": key, "title": title, "fields": own}
        return self.items[key]

    def store(self, *, environ=None, clock=None, **options):
        own = {"connect_host": self.url("").rstrip("/"), "connect_token": Secret(TOKEN)}
        return ConnectSecretStore(ConnectOptions(**own | options), environ=environ or {}, clock=clock or FakeClock())


def fits(parts, name):
    """Whether ``name`` is what the filter of a query asks for."""
    asked = parse_qs(parts.query).get("filter")
    if asked is None:
        return True
    found = re.fullmatch(r'(?:name|title) eq "(.*)"', asked[0])
    assert found is not None, f"no filter of SCIM: {asked[0]}"
    return re.sub(r"\\(.)", r"\1", found[1]) == name


class TestConformance(SecretStoreConformance):
    @pytest.fixture(autouse=True)
    def _server(self):
        with in_background(Connect()) as self.server:
            yield

    def make(self, folder: Path, values):
        return self.server.store()


async def test_a_name_is_an_item_and_can_name_its_field():
    async with Connect() as server:
        server.add(
            "OpenAI",
            {"label": "username", "value": "me"},
            {"label": "password", "value": "sk-1", "purpose": "PASSWORD"},
            {"label": "organization", "value": "org-1"},
        )
        server.add("ANTHROPIC_API_KEY", {"label": "credential", "value": "sk-2"}, {"label": "note", "value": "x"})
        server.add('a "quoted" \\ title', {"label": "credential", "value": "sk-3"})
        store = server.store()
        wanted = {
            "OpenAI": "sk-1",
            "OpenAI/organization": "org-1",
            "ANTHROPIC_API_KEY": "sk-2",
            'a "quoted" \\ title': "sk-3",
        }
        for name, value in wanted.items():
            assert (await store.get(name)).reveal() == value
        assert await store.get("OpenAI/nothing") is None
        assert await store.get("Nothing/password") is None
        assert list(await store.list()) == ["ANTHROPIC_API_KEY", "OpenAI", 'a "quoted" \\ title']
        await store.close()


async def test_a_field_is_set_and_taken_out_and_the_others_stay():
    async with Connect() as server:
        server.add("OpenAI", {"label": "credential", "value": "sk-1"})
        store = server.store()
        await store.set("OpenAI/organization", Secret("org-1"))
        await store.set("OpenAI/organization", Secret("org-2"))
        assert (await store.get("OpenAI/organization")).reveal() == "org-2"
        assert await store.delete("OpenAI/organization")
        assert not await store.delete("OpenAI/organization")
        assert (await store.get("OpenAI")).reveal() == "sk-1"
        await store.set("New/token", Secret("t"))
        assert (await store.get("New/token")).reveal() == "t"
        await store.close()


async def test_items_of_one_title_are_an_error_rather_than_a_guess():
    async with Connect() as server:
        for value in ("sk-1", "sk-2"):
            server.add("OpenAI", {"label": "credential", "value": value})
        store = server.store()
        with pytest.raises(ModelMeshError, match="2 items have the title 'OpenAI'"):
            await store.get("OpenAI")
        await store.close()


async def test_the_vault_is_found_by_name_taken_by_id_or_the_only_one():
    async with Connect() as server:
        server.add("KEY", {"label": "credential", "value": "x"})
        for vault in (None, "Models", VAULT):
            store = server.store(vault=vault)
            assert (await store.get("KEY")).reveal() == "x"
            await store.close()
        server.vaults["z" * 26] = "Other"
        for vault, message in ((None, "can see 2 vaults"), ("None", "can see 0 vaults named 'None'")):
            store = server.store(vault=vault)
            with pytest.raises(ModelMeshError, match=message):
                await store.get("KEY")
            await store.close()


async def test_a_refusal_says_what_and_never_shows_the_token():
    async with Connect() as server:
        store = server.store(connect_token=Secret("wrong-5EC4E7"))
        with pytest.raises(ModelMeshError, match=r"could not find its vault: HTTP 401: Invalid token \*\*\*") as caught:
            await store.get("KEY")
        await store.close()
        assert "5EC4E7" not in str(caught.value)
        store = server.store(vault="y" * 26)
        with pytest.raises(ModelMeshError, match="could not give KEY: HTTP 403: vault is not in scope"):
            await store.get("KEY")
        await store.close()


async def test_a_busy_server_is_asked_again():
    clock = FakeClock()
    async with Connect() as server:
        server.add("KEY", {"label": "credential", "value": "x"})
        server.troubles = ["429 Too Many Requests", "500 Internal Server Error"]
        store = server.store(clock=clock)
        assert (await store.get("KEY")).reveal() == "x"
        await store.close()
    assert clock.slept == [0.25, 0.5]


async def test_the_variables_of_1password_are_used():
    async with Connect() as server:
        environ = {"OP_CONNECT_HOST": server.url(""), "OP_CONNECT_TOKEN": TOKEN}
        store = server.store(connect_host=None, connect_token=None, environ=environ)
        assert await store.get("KEY") is None
        await store.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [({}, "needs the address of a Connect server"), ({"connect_host": "http://x"}, "has no token")],
)
def test_a_store_that_cannot_work_is_refused_when_it_is_made(options, message):
    with pytest.raises(ConnectorError, match=message):
        ConnectSecretStore(ConnectOptions(**options), environ={})
