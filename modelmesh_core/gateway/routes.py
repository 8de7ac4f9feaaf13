"""Which endpoint a path is, and what stands in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from ..config.schema import ENDPOINTS

DOCUMENT = "/openapi.json"
"""Where the description of the API is served."""
_NONE: Mapping[str, str] = {}


@attrs.frozen
class Route:
    """One path of the API, such as ``/v1/files/{id}``; a last ``{*name}`` stands for several pieces, too."""

    path: str
    methods: tuple[str, ...]
    endpoint: str = attrs.field(init=False)
    """What ``proxy.endpoints`` calls it."""
    _pieces: tuple[str, ...] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        above = [endpoint for endpoint in ENDPOINTS if f"{self.path}/".startswith(f"{endpoint}/")]
        object.__setattr__(self, "endpoint", max(above, key=len, default=self.path))
        object.__setattr__(self, "_pieces", tuple(self.path.split("/")))

    def match(self, path: str) -> dict[str, str] | None:
        """Name → what stands for it in ``path``; None if it is another one."""
        mine, theirs = self._pieces, path.split("/")
        if mine[-1].startswith("{*") and len(theirs) > len(mine):
            theirs = [*theirs[: len(mine) - 1], "/".join(theirs[len(mine) - 1 :])]
        if len(mine) != len(theirs):
            return None
        found: dict[str, str] = {}
        for own, given in zip(mine, theirs, strict=True):
            if own.startswith("{") and given:
                found[own.strip("{*}")] = given
            elif own != given:
                return None
        return found


class Routes:
    """All of them. A path that stands in full is found at once."""

    def __init__(self, served: Iterable[tuple[str, str]]) -> None:
        """``served``: (method, path)."""
        methods: dict[str, list[str]] = {}
        for method, path in served:
            methods.setdefault(path, []).extend(("GET", "HEAD") if method == "GET" else (method,))
        self._routes = {path: Route(path, tuple(names)) for path, names in methods.items()}
        self._patterns = [route for route in self._routes.values() if "{" in route.path]

    @property
    def all(self) -> Iterable[Route]:
        """Every one, in the order in which they were given."""
        return self._routes.values()

    def find(self, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """The route of ``path``, and what stands in it for names."""
        route = self._routes.get(path)
        if route is not None:
            return route, _NONE
        for pattern in self._patterns:
            found = pattern.match(path)
            if found is not None:
                return pattern, found
        return None
