"""The pipeline: from a name to one model, in replaceable stages."""

from .decision import RoutingDecision
from .pipeline import RoutingPipeline, Stage
from .requirements import RequestRequirements
from .stages import CapabilityResolver, DeliveryFilter, RequirementFilter, StateFilter

__all__ = [
    "CapabilityResolver",
    "DeliveryFilter",
    "RequestRequirements",
    "RequirementFilter",
    "RoutingDecision",
    "RoutingPipeline",
    "Stage",
    "StateFilter",
]
