"""Who asks AWS, where no option says it: the usual variables, or the files that the AWS tools share."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path

import attrs
from modelmesh_core import ConnectorError, Secret

from .endpoint import SUFFIXES
from .signing import Credentials


@attrs.frozen
class SharedProfile:
    """What ``~/.aws/credentials`` and ``~/.aws/config`` say of one profile."""

    name: str
    values: Mapping[str, str] = attrs.field(repr=False)

    def credentials(self) -> Credentials | None:
        access, secret = self.values.get("aws_access_key_id"), self.values.get("aws_secret_access_key")
        if not access or not secret:
            return None
        session = self.values.get("aws_session_token")
        return Credentials(Secret(access), Secret(secret), Secret(session) if session else None)


def read_profile(name: str | None, environ: Mapping[str, str]) -> SharedProfile:
    """The profile ``name``, else ``AWS_PROFILE``, else ``default``. Files that are missing hold nothing.

    Raises ConnectorError for a file that cannot be read.
    """
    chosen = name or environ.get("AWS_PROFILE") or "default"
    values: dict[str, str] = {}
    for variable, usual, section in (
        ("AWS_CONFIG_FILE", "~/.aws/config", chosen if chosen == "default" else f"profile {chosen}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", chosen),
    ):
        file = Path(environ.get(variable) or usual)
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(file.expanduser(), encoding="utf-8")
        except (configparser.Error, OSError, ValueError, RuntimeError) as error:
            raise ConnectorError(
                f"the file {file} of AWS profiles cannot be read: {type(error).__name__}.",
                hint=f"Mend it, or name another one in {variable}.",
            ) from None
        if parser.has_section(section):
            values.update(parser.items(section))
    return SharedProfile(chosen, values)


def credentials_in(environ: Mapping[str, str]) -> Credentials | None:
    """Those of ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and ``AWS_SESSION_TOKEN``."""
    access, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if not access or not secret:
        return None
    session = environ.get("AWS_SESSION_TOKEN")
    return Credentials(Secret(access), Secret(secret), Secret(session) if session else None)


def domain_of(region: str) -> str:
    """The domain of a region's services."""
    return next((suffix for start, suffix in SUFFIXES if region.startswith(start)), "amazonaws.com")
