"""Secrets: ``${secrets:NAME}`` through the configured stores, at start and when a key has changed."""

from __future__ import annotations

from .filling import fill_environment, fill_references
from .renewal import SecretRenewal
from .resolver import SecretResolver

__all__ = ["SecretRenewal", "SecretResolver", "fill_environment", "fill_references"]
