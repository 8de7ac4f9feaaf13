"""``modelmesh models``: every model that the mesh knows, and where each fact about it came from."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from .exits import Exit
from .meshes import open_mesh
from .parser import Commands
from .words import money

if TYPE_CHECKING:
    from ..catalogue import ModelDefinition
    from .output import Output

_PARTS = ("delivery", "constraints", "pricing", "limits")


def declare(commands: Commands) -> None:
    group = commands.group("models", "list the models, or show one")
    listing = group.add("list", run_list, "list every model that can serve")
    listing.add_argument("--capability", metavar="NAME", help="only models with this capability, or one below it")
    listing.add_argument("--provider", metavar="NAME", help="only models of this entry in `providers`")
    group.add(
        "sync",
        run_sync,
        "ask every provider what it lists, and show what is not known here; changes nothing",
        details="With discovery.sync in the configuration, a running mesh does so by itself, and acts on it.",
    )
    show = group.add("show", run_show, "show every fact about a model, and where it came from")
    show.add_argument("model", metavar="ID", help="its full id, or a short name that only one model has")


def run_list(arguments: Namespace, output: Output) -> int:
    with open_mesh(arguments, read_only=True) as mesh:
        models = mesh.engine.models
        found = models.find_by_capability(arguments.capability) if arguments.capability else models.list_models()
    if arguments.provider:
        found = [model for model in found if model.provider == arguments.provider]
    if arguments.json:
        output.json([_described(model) for model in found])
        return Exit.SUCCESS
    output.table(
        ("model", "provider", "capabilities", "context", "input per 1M", "output per 1M"),
        (
            (
                model.id,
                model.provider,
                ", ".join(path.rpartition(".")[2] for path in model.capabilities),
                model.constraints.context_window,
                money(model.pricing.input),
                money(model.pricing.output),
            )
            for model in found
        ),
    )
    return Exit.SUCCESS


def run_sync(arguments: Namespace, output: Output) -> int:
    from ..builtin.discovery_registry_sync import RegistrySync

    with open_mesh(arguments, read_only=True) as mesh:
        asked = set(mesh.config.discovery.sync.providers or mesh.engine.providers)
        found = [changes for changes, _ in mesh.background.run(RegistrySync(mesh).look())]
    silent = sorted(asked - {changes.provider for changes in found})
    if arguments.json:
        output.json({"providers": [changes.to_dict() for changes in found], "not_listed": silent})
        return Exit.SUCCESS if found else Exit.FAILED
    rows = [
        *((changes.provider, "new", model, "") for changes in found for model in changes.new),
        *((changes.provider, "new, unclear", model, "") for changes in found for model in changes.unclear),
        *(
            (changes.provider, "repriced", model, f"{prices['input_before']} → {prices['input']} per 1M input")
            for changes in found
            for model, prices in changes.repriced.items()
        ),
    ]
    if rows:
        output.table(("provider", "what", "model", ""), rows)
    elif found:
        output.text("Everything that the providers list is known.")
    for name in silent:
        output.warning(f"{name} lists no models, or could not be asked; --verbose shows why.")
    return Exit.SUCCESS if found else Exit.FAILED


def run_show(arguments: Namespace, output: Output) -> int:
    with open_mesh(arguments, read_only=True) as mesh:
        model = mesh.engine.models.get_model(arguments.model)
        pools = [pool.id for pool in mesh.engine.pools.values() if model.id in pool.members]
    if arguments.json:
        output.json({**_described(model), "pools": pools, "sources": dict(model.sources)})
        return Exit.SUCCESS
    output.text(model.id, "bold")
    output.table(("field", "value", "from"), [*_facts(model), ("pools", ", ".join(pools), "membership")])
    return Exit.SUCCESS


def _described(model: ModelDefinition) -> dict[str, Any]:
    import attrs

    parts = {part: attrs.asdict(getattr(model, part), filter=lambda field, _: field.init) for part in _PARTS}
    return {
        "id": model.id,
        "provider": model.provider,
        "upstream_model": model.upstream_model,
        "capabilities": list(model.capabilities),
        "features": sorted(model.features),
        "missing_features": sorted(model.missing_features),
        **parts,
        "batch": attrs.asdict(model.batch) if model.batch is not None else None,
    }


def _facts(model: ModelDefinition) -> Iterator[tuple[str, object, str | None]]:
    """Field, value, source."""
    sources = model.sources
    for name, value in _described(model).items():
        if name == "id":
            continue
        if name in _PARTS:
            for key, own in value.items():
                yield f"{name}.{key}", _value(own), sources.get(f"{name}.{key}")
        elif isinstance(value, list) and value:
            for own in cast(list[object], value):
                yield name, own, sources.get(name.removeprefix("missing_"))
        else:
            yield name, _value(value), sources.get(name)


def _value(value: Any) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, dict):
        return ", ".join(f"{key} {own}" for key, own in value.items() if own is not None)  # pyright: ignore[reportUnknownVariableType]
    return value
