"""Every hook is documented with an example, and every example runs when it is pasted."""

import re
import textwrap

import modelmesh_core
import pytest
from modelmesh_core import ConnectorRegistry, hookspecs

HOOKS = [name for name in vars(hookspecs) if hasattr(getattr(hookspecs, name), "modelmesh_spec")]


def example(name):
    text = textwrap.dedent("    " + (getattr(hookspecs, name).__doc__ or ""))
    match = re.search(r"^\s*Example[^\n]*::\n\n((?:\s+.*\n|\n)+)", text + "\n", re.M)
    assert match, f"{name} has no example"
    return textwrap.dedent(match[1])


def test_all_extension_points_are_on_the_page():
    assert set(HOOKS) >= {
        "provider_connectors",
        "storage_connectors",
        "secret_store_connectors",
        "observability_connectors",
        "discovery_connectors",
        "resolve_capability",
        "select_pool",
        "filter_delivery",
        "filter_requirements",
        "filter_state",
        "select_model",
        "score_model",
        "plan_retry",
        "evaluate_deactivation",
        "evaluate_recovery",
        "mesh_initialized",
        "mesh_shutting_down",
        "on_event",
    }


@pytest.mark.parametrize("name", HOOKS)
def test_the_example_can_be_pasted_and_is_a_valid_plugin(name):
    code = example(name)
    assert len(code.strip().splitlines()) <= 14
    space = {each: getattr(modelmesh_core, each) for each in modelmesh_core.__all__ if not each.startswith("__")}
    exec(compile(code, name, "exec"), space)
    plugin = type("Plugin", (), {name: staticmethod(space[name])})()
    ConnectorRegistry(discover=False).register(plugin, id="acme.example.v1")
    if name.endswith("_connectors"):
        records = list(space[name]())
        ConnectorRegistry(discover=False).register(records[0])
