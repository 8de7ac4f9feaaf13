"""HTTP engines behind one small protocol. Only this room opens sockets to providers."""

from .protocol import Transport, TransportOptions, create_transport

__all__ = ["Transport", "TransportOptions", "create_transport"]
