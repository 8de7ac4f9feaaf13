"""Options of the connectors that have any."""

from __future__ import annotations

import attrs


@attrs.frozen
class AzureOptions:
    """Options of ``azure.openai.v1``."""

    api_version: str = ""
    """A dated version, such as ``2024-10-21``, asks for deployments by path; without one the ``v1`` API is used."""


@attrs.frozen
class CloudflareOptions:
    """Options of ``cloudflare.workers-ai.v1``."""

    account_id: str = ""
    """The account whose models are used; not needed with a ``base_url`` of one's own."""
