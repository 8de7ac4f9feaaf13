"""What the exit codes mean, and which one an error gets."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of ``modelmesh``."""

    SUCCESS = 0
    FAILED = 1
    """What was asked for failed: every provider refused, or a check found a problem."""
    USAGE = 2
    """The command line itself is wrong."""
    CONFIGURATION = 3
    """The configuration has mistakes, or misses a secret or a connector."""
    NO_MODEL = 4
    """Nothing goes by that name, or nobody can serve it now."""
    INTERRUPTED = 130
    """Ctrl-C."""
    BROKEN_PIPE = 141
    """Whoever read the output has gone; what the shell reports for a program that SIGPIPE ended."""


class UsageError(Exception):
    """The command line is wrong in a way that the parser cannot see. The text says what to write instead."""


def exit_of(error: Exception) -> Exit:
    """The exit code for an error that ended a command."""
    from ..errors import (
        CapabilityNotFoundError,
        ConfigurationError,
        ConnectorError,
        NoActiveModelError,
        SecretNotFoundError,
    )

    if isinstance(error, UsageError):
        return Exit.USAGE
    if isinstance(error, (ConfigurationError, SecretNotFoundError)):
        return Exit.CONFIGURATION
    if isinstance(error, ConnectorError) and error.step is not None:
        return Exit.CONFIGURATION  # a connector that the configuration names is missing or broken
    if isinstance(error, (NoActiveModelError, CapabilityNotFoundError)):
        return Exit.NO_MODEL
    return Exit.FAILED
