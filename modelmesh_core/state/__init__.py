"""What the mesh remembers: health and latency per model, windows of usage, and where they are kept."""

from .accounts import Account
from .allowances import Allowance, LimitReached
from .forecast import LimitUsage
from .health import ModelHealth
from .ledger import Alert, Ledger, Reservation
from .models import LiveStates, Model, ModelState
from .shared_ledger import SharedLedger
from .standby import Standing
from .windows import Window, window_at

__all__ = [
    "Account",
    "Alert",
    "Allowance",
    "Ledger",
    "LimitReached",
    "LimitUsage",
    "LiveStates",
    "Model",
    "ModelHealth",
    "ModelState",
    "Reservation",
    "SharedLedger",
    "Standing",
    "Window",
    "window_at",
]
