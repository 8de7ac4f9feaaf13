"""The connectors' options."""

from __future__ import annotations

import attrs


@attrs.frozen
class JinaOptions:
    """Options of ``jina.search.v1``."""

    search_url: str = "https://s.jina.ai"
    read_url: str = "https://r.jina.ai"


@attrs.frozen
class SerperOptions:
    """Options of ``serper.search.v1``."""

    read_url: str = "https://scrape.serper.dev"


@attrs.frozen
class GoogleSearchOptions:
    """Options of ``google.search.v1``."""

    cx: str = ""
    """The id of the Programmable Search Engine."""
