"""Configurations and calls that many tests begin with."""

from typing import Any

from modelmesh_core import ModelMesh


def providers(*names: str) -> dict[str, Any]:
    """One openai-compatible provider a name, at ``https://NAME.test/v1``."""
    return {
        name: {"connector": "modelmesh.openai-compatible.v1", "base_url": f"https://{name}.test/v1", "api_key": "k"}
        for name in names
    }


def chat_models(*ids: str, **more: Any) -> dict[str, Any]:
    """Chat models ``provider.name``."""
    return {model: {"provider": model.partition(".")[0], "capabilities": ["chat-completion"], **more} for model in ids}


def config(*ids: str, pool: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Models ``provider.name`` in one pool named ``chat``."""
    names = dict.fromkeys(model.partition(".")[0] for model in ids)
    return {
        "providers": providers(*names),
        "models": chat_models(*ids),
        "pools": {"chat": {"capability": "chat-completion", **(pool or {})}},
        **more,
    }


def ask(mesh: ModelMesh, model: str = "chat", text: str = "Hi", **parameters: Any) -> Any:
    """One chat completion."""
    messages = [{"role": "user", "content": text}]
    return mesh.get_client().chat.completions.create(model=model, messages=messages, **parameters)
