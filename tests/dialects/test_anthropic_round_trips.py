"""Messages requests through the mesh's shape, and back through the connector of the same vendor."""

import copy

from hypothesis import given
from hypothesis import strategies as st
from modelmesh_anthropic.messages import encode
from modelmesh_core.dialects.anthropic import ANTHROPIC

from .anthropic_cases import CACHE, answer_blocks, asked, call_of, names, objects, turn, user_turns, words


def again(body, model="claude-sonnet-4-5"):
    """The request that Anthropic's connector makes of the mesh's shape."""
    return encode(call_of(ANTHROPIC.to_chat(body), model)).body


def spelled_out(turns):
    """``turns`` with every tool result's text as a block, as the API itself understands it."""
    for one in turns:
        for block in one["content"]:
            if block["type"] == "tool_result" and isinstance(block.get("content"), str):
                block["content"] = [{"type": "text", "text": block["content"]}]
    return turns


@given(
    st.lists(st.tuples(user_turns, answer_blocks), min_size=1, max_size=3),
    user_turns,
    st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": words, "cache_control": st.just(CACHE)})),
)
def test_every_turn_comes_back_through_the_vendors_connector(turns, last, system):
    conversation = [each for user, blocks in turns for each in (user, turn(*blocks, role="assistant"))]
    body = asked(messages=[*conversation, last], system=system)
    before = copy.deepcopy(body)

    made = again(body)

    assert body == before
    assert spelled_out(made["messages"]) == spelled_out(body["messages"])
    assert made.get("system", []) == system


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "stop_sequences": st.lists(words, min_size=1, max_size=3),
            "temperature": st.floats(0, 1),
            "top_k": st.integers(0, 500),
            "metadata": st.fixed_dictionaries({"user_id": names}),
            "service_tier": st.sampled_from(["auto", "standard_only"]),
            "container": names,
            "mcp_servers": st.lists(objects, max_size=2),
            "context_management": objects,
            "cache_control": st.just(CACHE),
            "inference_geo": names,
            "tools": st.lists(
                st.fixed_dictionaries(
                    {"name": names, "input_schema": st.just({"type": "object", "properties": {}})},
                    optional={
                        "description": words,
                        "cache_control": st.just(CACHE),
                        "defer_loading": st.booleans(),
                        "input_examples": st.lists(objects, max_size=2),
                    },
                ),
                min_size=1,
                max_size=3,
            ),
        },
    )
)
def test_every_parameter_comes_back_through_the_vendors_connector(parameters):
    body = asked(**parameters)

    made = again(body)

    assert made == {key: value for key, value in {**body, "messages": made["messages"]}.items() if key != "model"}


def test_thinking_with_a_budget_comes_back_through_the_vendors_connector():
    thinking = {"type": "enabled", "budget_tokens": 2000}

    made = again(asked(max_tokens=5000, thinking=thinking))

    assert made["thinking"] == thinking
    assert again(asked(thinking={"type": "adaptive"}, output_config={"effort": "max"}), "claude-opus-4-6")[
        "output_config"
    ] == {"effort": "max"}
