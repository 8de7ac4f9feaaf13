"""What connectors implement, one file a kind, and the context that pipeline stages see."""
