"""The commented example that `modelmesh config init` writes."""

from __future__ import annotations

from importlib.resources import files


def template() -> str:
    """The text of the example. It loads as it is: everything that needs a key of yours is commented out."""
    return (files("modelmesh_core.config") / "template.yaml").read_text("utf-8")
