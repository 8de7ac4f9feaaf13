"""Connectors of a vendor that does not exist."""
