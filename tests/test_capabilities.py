"""The capability tree."""

import pytest
from modelmesh_core import CapabilityNotFoundError, CapabilityTree


@pytest.fixture
def tree():
    return CapabilityTree()


def test_the_seven_categories_are_there(tree):
    assert [node.name for node in tree.list_categories()] == [
        "generation",
        "understanding",
        "transformation",
        "representation",
        "retrieval",
        "interaction",
        "evaluation",
    ]


def test_aliases_tails_and_paths_mean_the_same(tree):
    path = "generation.text-generation.chat-completion"
    for name in ("chat-completion", "text-generation.chat-completion", path):
        assert tree.resolve(name) == path


def test_ancestors_come_nearest_first_and_descendants_breadth_first(tree):
    assert [n.name for n in tree.get_ancestors("ocr")] == ["vision-understanding", "understanding"]
    assert [n.name for n in tree.get_descendants("representation")] == [
        "embeddings",
        "tokenization",
        "feature-extraction",
        "text-embeddings",
        "image-embeddings",
        "multimodal-embeddings",
    ]
    assert tree.is_ancestor_of("generation", "chat-completion")
    assert not tree.is_ancestor_of("chat-completion", "chat-completion")


def test_a_name_that_two_places_share_is_an_error_that_lists_both(tree):
    tree.add_node("generation.music.chat-completion")
    with pytest.raises(CapabilityNotFoundError, match=r"generation\.text-generation.*generation\.music"):
        tree.resolve("chat-completion")


def test_an_added_node_hangs_below_its_alias_and_a_leaf_may_gain_children(tree):
    tree.add_node("chat-completion.role-play")
    assert tree.resolve("role-play") == "generation.text-generation.chat-completion.role-play"
    assert [n.name for n in tree.get_leaves("chat-completion")] == ["role-play"]


def test_search_finds_words_inside_paths(tree):
    assert {n.name for n in tree.search("EMBED")} >= {"embeddings", "text-embeddings"}


def test_an_unknown_name_suggests(tree):
    with pytest.raises(CapabilityNotFoundError, match="text-embeddings"):
        tree.get_node("text-embedings")
