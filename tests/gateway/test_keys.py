"""Keys: made on the command line, told apart, bounded and taken away at the gateway."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from meshes import config
from modelmesh_core.cli import main
from modelmesh_core.testing import answers

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def configuration(tmp_path) -> dict[str, Any]:
    known = config("a.one", "b.two", storage={"connector": "modelmesh.sqlite.v1", "path": str(tmp_path / "state.db")})
    known["pools"]["other"] = {"models": ["b.two"]}
    known["proxy"] = {"auth": {"keys": True}}
    return known


@pytest.fixture
def keys(configuration, tmp_path, capsys) -> Callable[..., Any]:
    """``modelmesh keys`` with these words; what it prints as JSON."""
    file = tmp_path / "modelmesh.yaml"

    def run(*words: str) -> Any:
        file.write_text(json.dumps(configuration))
        code = main(["keys", *words, "--config", str(file), "--json"])
        told = capsys.readouterr()
        assert code == 0, told.err
        return json.loads(told.out)

    return run


@pytest.fixture
def ask(client, configuration, upstream) -> Callable[..., httpx.Response]:
    """One chat completion with a token, at a gateway that is started at the first."""
    opened: list[httpx.Client] = []
    for name in ("a", "b"):
        upstream.script(f"https://{name}.test/v1", lambda request: answers.chat(tokens=(10, 500)))

    def send(token: str | None, path: str = "/v1/chat/completions", body: Any = None, **more: Any) -> httpx.Response:
        if not opened:
            opened.append(client(configuration))
        headers = {"authorization": f"Bearer {token}"} if token else {}
        if body is None and path != "/v1/chat/completions":
            return opened[0].get(path, headers=headers)
        return opened[0].post(path, headers=headers, json={**(body or CHAT), **more})

    return send


def eventually(check: Callable[[], bool]) -> None:
    """A running gateway learns within a second or so, by the real clock, what the command line did."""
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_key_opens_the_door_and_is_in_the_records(keys, ask, upstream, serve):
    token = keys("create", "--name", "search-team", "--metadata", "team=search")["token"]
    answer = ask(token)
    assert answer.status_code == 200
    assert ask(None).status_code == 401
    assert ask("mm-" + "0" * 16 + "-" + "A" * 43).status_code == 401
    assert ask(token[:-1] + ("A" if token[-1] != "A" else "B")).status_code == 401


def test_the_token_is_kept_nowhere(keys, tmp_path):
    token = keys("create", "--name", "search-team")["token"]
    secret = token.split("-", 2)[2].encode()  # it may hold hyphens itself
    assert len(secret) == 43
    for file in tmp_path.iterdir():
        assert secret not in file.read_bytes(), file
    listed = json.dumps(keys("list"))
    assert "digest" not in listed and "salt" not in listed and token not in listed


def test_a_key_made_while_the_gateway_runs_is_good_soon(keys, ask):
    assert ask(None).status_code == 401
    token = keys("create", "--name", "late")["token"]
    eventually(lambda: ask(token).status_code == 200)
    assert keys("list")[0]["state"] == "active"


def test_a_revoked_key_is_refused(keys, ask):
    token = keys("create", "--name", "gone")["token"]
    assert ask(token).status_code == 200
    assert keys("revoke", "gone")["state"] == "revoked"
    eventually(lambda: ask(token).status_code == 401)
    assert keys("list")[0]["state"] == "revoked"


def test_a_rotated_key_keeps_its_limits_and_loses_its_old_token(keys, ask):
    old = keys("create", "--name", "team", "--rpd", "2")["token"]
    assert ask(old).status_code == 200
    new = keys("rotate", "team")["token"]
    eventually(lambda: ask(new, "/v1/models").status_code == 200)
    assert ask(old).status_code == 401
    assert ask(new).status_code == 200
    assert ask(new).status_code == 429


def test_both_tokens_are_good_while_a_rotation_has_grace(keys, ask, upstream):
    old = keys("create", "--name", "team")["token"]
    new = keys("rotate", "team", "--grace", "1h")["token"]
    assert [ask(old).status_code, ask(new).status_code] == [200, 200]
    upstream.clock.advance(time.time() + 3601 - upstream.clock.now())
    refused = ask(old)
    assert refused.status_code == 401
    assert "replaced by a newer one" in refused.json()["error"]["message"]
    assert ask(new).status_code == 200


def test_an_expired_key_says_so(keys, ask, upstream):
    token = keys("create", "--name", "guest", "--expires", "30d")["token"]
    assert ask(token).status_code == 200
    upstream.clock.advance(time.time() + 30 * 86400 + 1 - upstream.clock.now())
    refused = ask(token)
    assert refused.status_code == 401
    assert "'guest' has expired" in refused.json()["error"]["message"]


def test_a_key_asks_only_its_pools(keys, ask):
    token = keys("create", "--name", "narrow", "--pools", "other")["token"]
    allowed = ask(token, model="other")
    assert (allowed.status_code, allowed.headers["x-modelmesh-model"]) == (200, "b.two")
    refused = ask(token)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "not_allowed"
    assert ask(token, model="a.one").status_code == 403
    assert ask(token, model="b.two").status_code == 200
    listed = [row["id"] for row in ask(token, "/v1/models").json()["data"]]
    assert listed == ["other", "b.two"]


def test_a_key_is_answered_only_by_its_models(keys, ask, upstream):
    token = keys("create", "--name", "narrow", "--models", "b.*")["token"]
    for _ in range(3):
        assert ask(token).headers["x-modelmesh-model"] == "b.two"
    assert ask(token, model="a.one").status_code == 403
    assert [row["id"] for row in ask(token, "/v1/models").json()["data"]] == [
        "chat",
        "other",
        "text-generation",
        "b.two",
    ]
    assert ask(token, "/v1/models/a.one").status_code == 404


def test_a_key_calls_only_its_endpoints(keys, ask):
    token = keys("create", "--name", "reader", "--endpoints", "/v1/embeddings")["token"]
    refused = ask(token)
    assert refused.status_code == 403
    assert "may not call POST /v1/chat/completions" in refused.json()["error"]["message"]
    assert ask(token, "/v1/models").status_code == 200


def test_a_bounded_key_does_not_see_what_the_account_keeps(keys, ask):
    token = keys("create", "--name", "narrow", "--pools", "chat")["token"]
    assert ask(token, "/v1/files").status_code == 403


def test_a_key_is_held_to_its_requests_and_says_when_it_may_come_again(keys, ask):
    token = keys("create", "--name", "slow", "--rpm", "3")["token"]
    other = keys("create", "--name", "free")["token"]
    with ThreadPoolExecutor(8) as pool:
        codes = sorted(answer.status_code for answer in pool.map(lambda _: ask(token), range(12)))
    assert codes == [200] * 3 + [429] * 9
    refused = ask(token)
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 0 < float(refused.headers["retry-after"]) <= 60
    assert ask(other).status_code == 200


def test_a_key_is_held_to_its_money(keys, ask, configuration):
    for model in configuration["models"].values():
        model["pricing"] = {"input": 0, "output": 1000}
    token = keys("create", "--name", "poor", "--budget", "1/day")["token"]
    codes = [ask(token, max_tokens=500).status_code for _ in range(4)]
    assert codes == [200, 200, 429, 429]


def test_keys_need_a_storage_that_keeps_them(serve):
    known = config("a.one", proxy={"auth": {"keys": True}}, storage={"connector": "modelmesh.memory.v1"})
    with pytest.raises(Exception, match="keys are kept in the storage"):
        serve(known)


def test_two_keys_of_one_name_are_refused(keys, configuration, tmp_path, capsys):
    keys("create", "--name", "team")
    assert main(["keys", "create", "--name", "team", "--config", str(tmp_path / "modelmesh.yaml")]) == 1
    assert "there is a key named 'team' already" in capsys.readouterr().err


def test_a_mistaken_flag_is_told(tmp_path, keys, capsys):
    keys("list")
    for words in (["--budget", "5/week"], ["--expires", "soon"], ["--endpoints", "/v1/nothing"], ["--timezone", "X/Y"]):
        with_config = ["keys", "create", "--name", "x", "--config", str(tmp_path / "modelmesh.yaml"), "--rpm", "1"]
        try:
            code = main([*with_config, *words])
        except SystemExit as ended:
            code = ended.code
        assert code == 2, words
        assert words[1] in capsys.readouterr().err


def test_keys_made_with_another_hash_key_are_not_recognized(keys, configuration, ask):
    token = keys("create", "--name", "team")["token"]
    configuration["proxy"]["auth"]["hash_key"] = "a secret of the gateway"
    assert ask(token).status_code == 401
    token = keys("rotate", "team")["token"]
    eventually(lambda: ask(token).status_code == 200)


def test_every_level_of_the_log_tells_who_asked(keys, configuration, client, tmp_path, upstream):
    upstream.script("https://a.test/v1", lambda request: answers.chat("hi"))
    sink = {"connector": "modelmesh.local-file.v1", "path": str(tmp_path / "requests.jsonl")}
    token = keys("create", "--name", "search-team", "--metadata", "team=search")["token"]
    for level in ("metadata", "summary", "full"):
        asked = client({**configuration, "observability": {"logging": {"level": level, "connector": sink}}})
        answer = asked.post("/v1/chat/completions", json=CHAT, headers={"x-api-key": token})
        assert answer.status_code == 200

    def told() -> list[Any]:
        text = (tmp_path / "requests.jsonl").read_text() if (tmp_path / "requests.jsonl").exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    eventually(lambda: len(told()) == 3)
    assert [(entry["key"], entry["metadata"]) for entry in told()] == [("search-team", {"team": "search"})] * 3
    assert told()[0].keys() < told()[1].keys() < told()[2].keys(), "each level tells more"
