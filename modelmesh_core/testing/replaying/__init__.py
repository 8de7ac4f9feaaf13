"""Replay: recorded exchanges with providers, pushed through the connectors that they call for."""

from .matching import Match, Matcher
from .outcome import Replayed, replay, replay_file

__all__ = ["Match", "Matcher", "Replayed", "replay", "replay_file"]
