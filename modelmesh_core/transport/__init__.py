"""HTTP engines behind one small protocol. Only this room opens sockets to providers."""

from .choice import create_transport
from .protocol import Transport, TransportOptions

__all__ = ["Transport", "TransportOptions", "create_transport"]
