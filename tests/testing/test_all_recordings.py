"""Every recorded exchange of a kind that is supported, replayed, against what its body plainly says."""

from collections.abc import Iterable
from random import Random

import pytest
from extraction import answer_of, plain_of, read
from modelmesh_core.testing import replay
from recorded import coverage, reasons, rows

PROVIDERS = sorted(coverage()["recordings"])
WAYS = 100
"""In which each stream of the sample is cut."""
LARGEST, MOST = 200_000, 12
"""Bytes of a stream, and streams a provider, in the sample."""


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_replay_says_what_the_body_says(provider):
    listed = reasons()
    for row in rows(provider):
        replayed = replay(row)
        if row["id"] in listed:
            assert not replayed.ok and replayed.error, f"{row['id']} fails, and does not say so"
            continue
        assert replayed.ok, f"{row['id']}: {replayed.error}"
        assert plain_of(replayed.to_dict()) == read(row), row["id"]


def test_nearly_all_are_equal_and_the_documentation_lists_the_rest():
    found = [row for provider in PROVIDERS for row in rows(provider)]
    listed = reasons()
    equal = [row for row in found if (replayed := replay(row)).ok and plain_of(replayed.to_dict()) == read(row)]
    unequal = {row["id"] for row in found} - {row["id"] for row in equal}
    assert unequal == set(listed)
    outside = {identity for identity, reason in listed.items() if not reason["supported"]}
    assert len(equal) / (len(found) - len(outside)) >= 0.98
    assert len(found) > 900 and len(outside) < 0.05 * len(found)


def test_the_counts_of_the_documentation_are_those_of_the_recordings():
    for provider, kinds in coverage()["recordings"].items():
        found = [row["kind"] for row in rows(provider)]
        assert {kind: found.count(kind) for kind in set(found)} == kinds, "run tools/make_recordings.py"


def pieces(body: bytes, chance: Random) -> Iterable[bytes]:
    """Cut at random bytes: at a few of them, or at very many."""
    count = min(len(body) - 1, chance.choice((1, 5, 30, 200)))
    edges = sorted(chance.sample(range(1, len(body)), count))
    return [body[start:end] for start, end in zip([0, *edges], [*edges, len(body)], strict=True)]


@pytest.mark.parametrize("provider", sorted(coverage()["streams"]))
def test_a_stream_says_the_same_however_it_is_cut(provider):
    chance = Random(provider)
    streams = [row for row in rows(provider) if row["stream"] and row["id"] not in reasons()]
    sample = [row for row in streams if 1 < len(answer_of(row).body) < LARGEST][:MOST]
    assert sample
    for row in sample:
        whole = replay(row)
        for _ in range(WAYS):
            assert replay(row, cut=lambda data: pieces(data, chance)) == whole, row["id"]
