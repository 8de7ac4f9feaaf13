"""What the mesh remembers: health and latency per model, windows of usage, and where they are kept."""

from .health import ModelHealth
from .ledger import Account, Ledger, LimitReached, Reservation
from .models import LiveStates, Model, ModelState
from .standby import Standing
from .windows import Window, window_at

__all__ = [
    "Account",
    "Ledger",
    "LimitReached",
    "LiveStates",
    "Model",
    "ModelHealth",
    "ModelState",
    "Reservation",
    "Standing",
    "Window",
    "window_at",
]
