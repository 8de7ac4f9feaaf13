"""What can be set under ``providers.<name>`` beside the common keys."""

from __future__ import annotations

import attrs
from modelmesh_core import Secret


@attrs.frozen
class VertexOptions:
    """Options of ``google.vertex.v1``."""

    project: str | None = None
    """The Google Cloud project's id. Left out only with a key of Vertex AI in express mode."""
    location: str = attrs.field(default="global", validator=attrs.validators.matches_re(r"[a-z0-9-]+"))
    """A region such as ``europe-west4``, a multi-region (``us``, ``eu``), or ``global``."""
    service_account: Secret | None = None
    """A service account's JSON, or the path of a file that holds it; an authorized user's JSON works as well."""
