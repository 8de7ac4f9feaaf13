"""A configuration's references, filled in."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..config import MeshConfig, SecretReference
from ..errors import SecretNotFoundError
from ..values import Secret
from .resolver import SecretResolver


def fill_environment(config: MeshConfig, environ: Mapping[str, str]) -> MeshConfig:
    """``config`` with the ``${env:NAME}`` references filled in that have a value: what secret stores are made from."""
    names = {reference.name for reference in config.references() if reference.kind == "env"}
    values = {f"env:{name}": Secret(environ[name]) for name in names if name in environ}
    return config.resolve(values, partial=True)


async def fill_references(
    config: MeshConfig, resolver: SecretResolver, environ: Mapping[str, str], *, sections: Collection[str] = ()
) -> MeshConfig:
    """``config`` with every reference filled in: ``${secrets:NAME}`` by the stores, ``${env:NAME}`` by ``environ``.

    Raises SecretNotFoundError naming every reference without a value and its place, unless
    ``secrets.fail_on_missing`` is false: the key that holds it then counts as left out. With ``sections`` only what
    these top-level keys hold is filled in.
    """
    values = await find_values(config, resolver, environ, sections=sections)
    return config.resolve(values, partial=bool(sections))


async def find_values(
    config: MeshConfig, resolver: SecretResolver, environ: Mapping[str, str], *, sections: Collection[str] = ()
) -> dict[str, Secret]:
    """``SecretReference.key`` → value, for every reference that has one. Raises as ``fill_references`` does."""
    references = [found for found in config.references() if not sections or found.path[0] in sections]
    values: dict[str, Secret] = {}
    missing: list[str] = []
    for reference in references:
        if reference.key in values:
            continue
        secret = await value_of(reference, resolver, environ)
        if secret is not None:
            values[reference.key] = secret
        else:
            missing.append(str(reference.problem(f"${{{reference.key}}} has no value")))
    if missing and config.secrets.fail_on_missing:
        raise SecretNotFoundError(
            "\n".join(missing) + ".",
            hint=f"env: set the variable. secrets: asked {', '.join(resolver.store_ids)}; `modelmesh secrets set NAME` "
            "stores one.",
        )
    return values


async def value_of(
    reference: SecretReference, resolver: SecretResolver, environ: Mapping[str, str], *, fresh: bool = False
) -> Secret | None:
    """What ``reference`` stands for; None if it has no value. ``fresh`` as for ``SecretResolver.resolve``."""
    if reference.kind == "env":
        text = environ.get(reference.name)
        return Secret(text) if text is not None else None
    return await resolver.resolve(reference.name, fresh=fresh)
