"""Anthropic's Messages API as callers ask in it: into the mesh's own shape, and back.

What a caller of this dialect cannot say of another vendor's answer (its signed or encrypted reasoning, its marks on
tool calls) travels in thinking blocks with a signature of the mesh's own, and comes back with them: see ``seals``.
"""

from .messages import ANTHROPIC, AnthropicMessages

__all__ = ["ANTHROPIC", "AnthropicMessages"]
