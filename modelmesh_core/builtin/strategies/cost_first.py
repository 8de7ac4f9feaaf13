"""``modelmesh.cost-first.v1``: the lowest estimated price of this request."""

from modelmesh_core import Candidate, RoutingContext, SelectionStrategy


class CostFirst(SelectionStrategy):
    """By estimated input and expected output tokens. An unknown price comes last; ties go to pool order."""

    def score(self, candidate: Candidate, context: RoutingContext) -> float:
        return -candidate.estimated_cost
