"""The taxonomy of capabilities and the tree that answers questions about it."""

from .tree import CapabilityNode, CapabilityTree

__all__ = ["CapabilityNode", "CapabilityTree"]
