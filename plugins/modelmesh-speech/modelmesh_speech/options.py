"""Options of the connectors that have any."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class ElevenLabsOptions:
    """Options of ``elevenlabs.tts.v1``."""

    default_voice: str = "JBFqnCBsd6RMkjVDRZzb"
    """Id of the voice that speaks where the caller names none, or one of OpenAI's."""
    voices: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """Name that callers use → id of a voice; for example for ``alloy``."""


@attrs.frozen
class AzureSpeechOptions:
    """Options of ``azure.tts.v1``."""

    region: str = attrs.field(default="", validator=attrs.validators.matches_re(r"[a-z0-9-]*"))
    """Region of the Speech resource, such as ``westeurope``; not needed with a ``base_url`` of one's own."""
    default_voice: str = "en-US-AvaMultilingualNeural"
    """Voice that speaks where the caller names none that Azure has."""
    voices: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """Name that callers use → name of a voice."""
