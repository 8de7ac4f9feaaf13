"""The configuration: read, checked with every problem at once, typed; and its JSON Schema for editors."""

from .json_schema import json_schema
from .loader import MeshConfig
from .references import Reference, SecretReference
from .template import template

__all__ = ["MeshConfig", "Reference", "SecretReference", "json_schema", "template"]
