"""From the raw form to a checked configuration: every problem at once, whatever stage finds it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import attrs

from ..errors import Problem
from ..registry import ConnectorRegistry
from .connector_checks import (
    check_discovery,
    check_observability,
    check_packages,
    check_providers,
    check_secrets,
    check_storage,
)
from .document import Section, in_order
from .mistakes import UnknownKeyError
from .model_checks import Capabilities, ModelIndex, check_models
from .pool_checks import check_pools
from .review import Review, is_known
from .schema import Sections
from .structure import structure_sections
from .unbuilt import refuse_unbuilt


def analyse(
    root: Section, registry: ConnectorRegistry, problems: Sequence[Problem] = ()
) -> tuple[Sections, list[Problem]]:
    """The typed configuration, and all its problems in file order (``problems``, found while reading, included).

    With problems, the configuration is only good for more checks.
    """
    built, unbuilt = refuse_unbuilt(root)
    sections, mistakes = structure_sections(built)
    review = Review(sections, root, registry)
    for path, message in unbuilt:
        review.report(message, *path, at_key=True)
    for path, error in mistakes:
        if isinstance(error, UnknownKeyError) and len(path) == 3 and path[0] == "observability":
            error.hint = " Options stand beside the connector's id: `connector: {connector: ID, key: value}`."
    review.take(mistakes)
    checked = _check(review)
    return checked, in_order(root, [*problems, *review.problems])


def _check(review: Review) -> Sections:
    connectors = check_packages(review)  # first: it makes ids known
    providers = check_providers(review)
    capabilities = Capabilities(review)
    models = check_models(review, capabilities)
    pools = check_pools(review, capabilities, ModelIndex(review, models, capabilities.tree))
    _check_proxy(review)
    return attrs.evolve(
        review.sections,
        secrets=check_secrets(review),
        providers=providers,
        models=models,
        pools=pools,
        storage=check_storage(review),
        discovery=check_discovery(review),
        observability=check_observability(review),
        connectors=connectors,
    )


def _check_proxy(review: Review) -> None:
    proxy = review.sections.proxy
    is_open = not proxy.auth.tokens and proxy.allow_unauthenticated is False
    if is_known(proxy.host) and is_open and not is_loopback(proxy.host):
        message = (
            "others can reach this address, and nobody is asked for a token. "
            "Set proxy.auth.tokens, or allow_unauthenticated: true."
        )
        review.report(message, "proxy", "host")
    if proxy.cors.enabled is True and not proxy.cors.origins:
        review.report("cors is enabled, and no origin is allowed. Set cors.origins.", "proxy", "cors", "enabled")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
