"""Model definitions and the registry that holds them."""

from .definitions import (
    FEATURES,
    BatchSettings,
    Constraints,
    DeliverySupport,
    Limits,
    ModelDefinition,
    Pricing,
)
from .registry import ModelRegistry

__all__ = [
    "FEATURES",
    "BatchSettings",
    "Constraints",
    "DeliverySupport",
    "Limits",
    "ModelDefinition",
    "ModelRegistry",
    "Pricing",
]
