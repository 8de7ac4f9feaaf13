"""MeshConfig: a configuration that was read, checked and typed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import attrs

from ..errors import ConfigurationError, Problem
from ..registry import ConnectorRegistry
from ..values import Secret
from .document import Section, filled, merged, read_mapping, references_in
from .references import SecretReference
from .schema import Sections


@attrs.frozen(kw_only=True, repr=False)
class MeshConfig(Sections):
    """The parsed, validated configuration.

    Made by ``from_yaml``, ``from_dict`` or ``from_env``, each of which raises ConfigurationError with every problem
    at once. Ids are full and options are typed. A value that was written as a reference is a Reference until
    ``resolve`` has filled it in.
    """

    root: Section = attrs.field(eq=False)
    """The raw form, with references as they were written."""
    registry: ConnectorRegistry = attrs.field(eq=False)
    """The connectors it was checked against, packages included."""

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str], registry: ConnectorRegistry | None = None) -> MeshConfig:
        """Read a YAML file. Problems carry file, line and column."""
        from .yaml_file import read_yaml

        return cls._checked(*read_yaml(path), registry)

    @classmethod
    def from_text(cls, text: str, name: str = "<text>", registry: ConnectorRegistry | None = None) -> MeshConfig:
        """The same from YAML text. ``name`` stands for the file in problems."""
        from .yaml_file import read_yaml_text

        return cls._checked(*read_yaml_text(text, name), registry)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], registry: ConnectorRegistry | None = None) -> MeshConfig:
        """The same as a Python mapping; beside what YAML can hold it takes Secrets, Decimals and objects."""
        return cls._checked(*read_mapping(data), registry)

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | None = None, registry: ConnectorRegistry | None = None
    ) -> MeshConfig:
        """The file that ``MODELMESH_CONFIG`` names, or else the providers whose variables are set.

        ``environ`` defaults to the process's environment. Raises ConfigurationError if nothing is found.
        """
        from .detection import CONFIG_VARIABLE, detect

        variables = os.environ if environ is None else environ
        file = variables.get(CONFIG_VARIABLE)
        if file:
            return cls.from_yaml(file, registry)
        registry = registry or ConnectorRegistry()
        return cls.from_dict(detect(variables, registry), registry)

    @classmethod
    def _checked(cls, root: Section, problems: list[Problem], registry: ConnectorRegistry | None) -> MeshConfig:
        registry = registry or ConnectorRegistry()
        return cls._of(root, root, registry, problems)

    @classmethod
    def _of(
        cls, root: Section, values: Section, registry: ConnectorRegistry, problems: list[Problem] | None = None
    ) -> MeshConfig:
        from .analysis import analyse

        sections, found = analyse(values, registry, problems or ())
        if found:
            raise ConfigurationError(found)
        typed = {field.name: getattr(sections, field.name) for field in attrs.fields(Sections)}
        return cls(root=root, registry=registry, **typed)

    def validate(self) -> list[Problem]:
        """Check again, against the connectors as they are now. Empty if all is well."""
        from .analysis import analyse

        return analyse(self.root, self.registry)[1]

    def merge(self, other: MeshConfig | Mapping[str, Any]) -> MeshConfig:
        """This configuration with ``other`` over it: mappings key by key, everything else replaced.

        A mapping need not be a whole configuration. In the result references are as they were written, filled in or
        not. Raises ConfigurationError if it is wrong.
        """
        upper, problems = (other.root, []) if isinstance(other, MeshConfig) else read_mapping(other)
        root = merged(self.root, upper)
        return self._of(root, root, self.registry, problems)

    def references(self) -> list[SecretReference]:
        """Every ``${secrets:NAME}`` and ``${env:NAME}``, in order, with its place."""
        return references_in(self.root)

    def resolve(self, secrets: Mapping[str, Secret], *, partial: bool = False) -> MeshConfig:
        """The same configuration with its references filled in.

        ``secrets`` holds values by ``SecretReference.key`` (``secrets:NAME`` or ``env:NAME``). A reference without a
        value raises ConfigurationError with its place; where ``secrets.fail_on_missing`` is false, the key that holds
        it counts as left out. With ``partial`` such a reference stays: for the section ``secrets`` itself, whose
        stores are made before they can be asked.
        """
        if not partial and self.secrets.fail_on_missing:
            missing = [reference for reference in self.references() if reference.key not in secrets]
            if missing:
                raise ConfigurationError([_missing(reference) for reference in missing])
        values = filled(self.root, lambda kind, name: secrets.get(f"{kind}:{name}"), keep_missing=partial)
        return self._of(self.root, values, self.registry)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as it was written: references kept, secrets that stand in clear replaced by ``***``."""
        from .export import export

        return export(self)

    def __repr__(self) -> str:
        return f"MeshConfig({len(self.providers)} providers, {len(self.models)} models, {len(self.pools)} pools)"


def _missing(reference: SecretReference) -> Problem:
    if reference.kind == "env":
        return reference.problem(f"the environment variable {reference.name} is not set.")
    return reference.problem(f"no configured secret store has {reference.name}.")
