"""When a model leaves a pool, when it comes back, and which one serves next: all pure functions of snapshots."""

from .policy import DeactivationEvaluator, RecoveryEvaluator, RotationPolicy

__all__ = ["DeactivationEvaluator", "RecoveryEvaluator", "RotationPolicy"]
