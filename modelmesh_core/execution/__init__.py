"""Attempts: one call to one provider, what follows its failure, streams, and the Router that runs them all."""

from ..interfaces.records import AttemptRecord, DecisionRecord
from .provider_service import ProviderService, ProviderState
from .retry import RetryPolicy, ShareBudget
from .router import Completion, Router
from .streams import StreamingReply

__all__ = [
    "AttemptRecord",
    "Completion",
    "DecisionRecord",
    "ProviderService",
    "ProviderState",
    "RetryPolicy",
    "Router",
    "ShareBudget",
    "StreamingReply",
]
