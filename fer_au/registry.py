"""Named parts (adapters, detectors, extractors, CAMs, ...): built-in ones and third parties' entry points."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Generic, TypeVar

from fer_au.errors import ConfigError, MissingDependencyError, UnknownNameError

T = TypeVar("T")


def near_names(name: str, known: Iterable[str], limit: int = 5) -> str:
    """Say which known names a user may have meant, or all of them if there are few or none is near."""
    names = sorted(known)
    if not names:
        return "there is none yet"
    close = get_close_matches(name, names, n=limit, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    shown = ", ".join(names[:20])
    return f"known: {shown}" + (", ..." if len(names) > 20 else "")


class Registry(Generic[T]):
    """A mapping from names to parts of one kind.

    Args:
        kind: What the parts are, for messages: ``"landmark extractor"``.
        group: Entry-point group through which other packages add parts: ``"fer_au.extractors"``.
        built_in: Name -> module that registers it when imported. Modules are named and not imported, so that using one
            part loads no other, and a stage depends on the code it runs.
    """

    def __init__(self, kind: str, group: str, built_in: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self.group = group
        self.built_in = dict(built_in or {})
        self._entries: dict[str, T] = {}
        self._broken: dict[str, str] = {}
        self._entry_points_loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate a part to add it under ``name``; a second part of that name is an error."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return add

    def names(self) -> list[str]:
        """List all names, sorted. Built-in parts are not imported for it."""
        self._load_entry_points()
        return sorted({*self._entries, *self.built_in})

    def get(self, name: str) -> T:
        """The part of that name.

        Raises:
            UnknownNameError: There is none; the message lists near names.
            MissingDependencyError: Another package has it, and can't be imported.
        """
        if name in self.built_in:
            import_module(self.built_in[name])
        if name not in self._entries and name not in self.names():
            if name in self._broken:
                raise MissingDependencyError(f"{self.kind} {name!r} {self._broken[name]}")
            raise UnknownNameError(f"unknown {self.kind} {name!r}; {near_names(name, self.names())}")
        return self._entries[name]

    def _load_entry_points(self) -> None:
        if self._entry_points_loaded:
            return
        self._entry_points_loaded = True
        for point in entry_points(group=self.group):
            if point.name not in self._entries and point.name not in self.built_in:
                try:
                    self._entries[point.name] = point.load()
                except Exception as error:
                    # Somebody else's fault must not hide the parts that work.
                    self._broken[point.name] = f"({point.value}) can't be loaded: {type(error).__name__}: {error}"


class FileRegistry(Registry[Path]):
    """YAML files by name: the project's own lie in a folder, other packages add theirs by entry points to a path.

    Args:
        kind: As in ``Registry``; likewise ``group``.
        group: Entry-point group.
        folder: Folder whose ``*.yaml`` are registered under their names without suffix.
    """

    def __init__(self, kind: str, group: str, folder: Path) -> None:
        super().__init__(kind, group)
        for file in sorted(folder.glob("*.yaml")):
            self.register(file.stem)(file)

    @staticmethod
    def is_path(name_or_path: str | Path) -> bool:
        """Tell a path from a name: a path ends in ``.yaml`` or ``.yml``, or holds a path separator."""
        text = os.fspath(name_or_path)
        return isinstance(name_or_path, Path) or text.endswith((".yaml", ".yml")) or "/" in text or os.sep in text

    def locate(self, name_or_path: str | Path) -> Path:
        """Return the path of a registered file, or of a user's own.

        Raises:
            UnknownNameError: No file has that name; the message lists near names.
        """
        return Path(name_or_path) if self.is_path(name_or_path) else self.get(str(name_or_path))


def construct(
    registry: Registry[type[T]], name: str, options: Mapping[str, object], *args: object, where: str = ""
) -> T:
    """Make a registered part from a user's options.

    Args:
        registry: Of the part's class.
        name: Of the part.
        options: The part's own options, keyword arguments of its constructor.
        args: What the project itself gives.
        where: Begins the message, such as the key that holds the options.

    Raises:
        UnknownNameError: There is no such part; the message lists near names.
        ConfigError: An option that the part doesn't have, or a bad value (a ValueError of its constructor).
    """
    return call_with_options(registry.get(name), options, *args, where=f"{where}{registry.kind} {name!r}: ")


def call_with_options(make: Callable[..., T], options: Mapping[str, object], *args: object, where: str) -> T:
    """Call what makes a part with a user's options; arguments as in ``construct``.

    Raises:
        ConfigError: An option that the part doesn't have, or a bad value (a ValueError).
    """
    try:
        return make(*args, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}{error}") from error
