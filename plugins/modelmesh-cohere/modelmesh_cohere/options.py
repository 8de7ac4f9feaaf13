"""The connector's options."""

from __future__ import annotations

import attrs


@attrs.frozen
class CohereOptions:
    """Options of ``cohere.nlp.v1``."""

    input_type: str = "search_document"
    """What an embeddings call that names no ``input_type`` is for; Cohere has to be told."""
    transcription_language: str = "en"
    """ISO 639-1 code of the language of recordings whose caller names none; Cohere does not detect it."""
