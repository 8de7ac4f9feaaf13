"""What can be set under ``providers.<name>`` beside the common keys."""

from __future__ import annotations

from typing import Literal

import attrs
from modelmesh_core import Secret


@attrs.frozen
class BedrockOptions:
    """Options of ``aws.bedrock.v1``. ``api_key``, a Bedrock API key, stands beside them, and goes first."""

    access_key_id: Secret | None = None
    """With ``secret_access_key``: requests are signed (Signature Version 4)."""
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    """Of temporary credentials."""
    region: str | None = None
    """For example ``eu-central-1``."""
    default_region: str | None = None
    """Used where there is no ``region``; without both it is that of the base URL, or ``us-east-1``."""
    guardrail_identifier: str | None = None
    """A guardrail's id or ARN, for every chat that does not name its own in ``guardrailConfig``."""
    guardrail_version: str = "DRAFT"
    guardrail_trace: Literal["enabled", "disabled", "enabled_full"] | None = None
