"""How long the gateway waits for its callers."""

from __future__ import annotations

import attrs

from ..values import Duration


@attrs.frozen
class GatewayLimits:
    """Seconds. They bound what a slow, silent or hostile caller can hold on to."""

    head: Duration = 30.0
    """From a connection's first byte (or its opening) to the end of a request's headers."""
    body: Duration = 60.0
    """For a whole request body to arrive."""
    linger: Duration = 5.0
    """What is left of a refused body is still read for this long, so that the caller gets to read the refusal."""
    keep_alive: Duration = 75.0
    """A connection may idle between two requests."""
    stalled_write: Duration = 60.0
    """A caller that stops reading its answer is cut off."""
    drain: Duration = 30.0
    """Requests under way may take this long to end once the server was asked to stop."""
