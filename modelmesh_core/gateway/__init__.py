"""The gateway: an OpenAI-compatible HTTP server over the mesh."""

from .app import GatewayApp
from .limits import GatewayLimits
from .server import ProxyServer

__all__ = ["GatewayApp", "GatewayLimits", "ProxyServer"]
