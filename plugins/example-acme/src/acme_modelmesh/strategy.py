"""``acme.shortest-name.v1``: a selection strategy is a hook of a few lines."""

from modelmesh_core import hookimpl


@hookimpl
def select_model(context, candidates):
    return min(candidates, key=lambda candidate: len(candidate.id))
