"""Named parts (adapters, detectors, extractors, CAMs, ...): built-in ones and third parties' entry points."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar

from fer_au.errors import MissingDependencyError, UnknownNameError

T = TypeVar("T")


def near_keys(name: str, known: Iterable[str], limit: int = 5) -> list[str]:
    """List the known names that a user may have meant, the nearest first."""
    return get_close_matches(name, sorted(known), n=limit, cutoff=0.5)


def near_names(name: str, known: Iterable[str], limit: int = 5) -> str:
    """Say which known names a user may have meant, or list them if none is near."""
    names = sorted(known)
    if not names:
        return "there are none"
    if close := near_keys(name, names, limit):
        return "did you mean " + " or ".join(close) + "?"
    shown = ", ".join(names[:20])
    return f"known: {shown}" + (", ..." if len(names) > 20 else "")


class Registry(Generic[T]):
    """A mapping from names to parts of one kind.

    Args:
        kind: Kind of the parts, used in messages, such as ``"landmark extractor"``.
        group: Entry-point group through which other packages add parts, such as ``"fer_au.extractors"``.
        built_in: Name -> module that registers the part when imported. Modules are named, not imported, so that using
            one part loads no other.
        base: Class from which other packages' parts must be derived; None accepts anything.
    """

    def __init__(
        self, kind: str, group: str, built_in: Mapping[str, str] | None = None, base: type | None = None
    ) -> None:
        self.kind = kind
        self.group = group
        self._base = base
        self.built_in = dict(built_in or {})
        self._entries: dict[str, T] = {}
        self._broken: dict[str, tuple[str, Exception | None]] = {}
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
        """List all names, sorted. Built-in parts are not imported for it; parts that can't be loaded are left out."""
        self._load_entry_points()
        return sorted({*self._entries, *self.built_in})

    def get(self, name: str) -> T:
        """Return the part of a name.

        Raises:
            UnknownNameError: There is no such part; the message lists near names.
            MissingDependencyError: Another package has the part and can't be used; the message names that package.
        """
        if name in self.built_in:
            import_module(self.built_in[name])
            if name not in self._entries:
                raise LookupError(f"{self.built_in[name]} registers no {self.kind} {name!r}; compare the names")
        if name not in self._entries and name not in self.names():
            if name in self._broken:
                fault, cause = self._broken[name]
                raise MissingDependencyError(f"{self.kind} {name!r} {fault}") from cause
            near = near_names(name, self.names())
            more = "" if near.startswith("did") else "; a part of another package needs that package installed"
            raise UnknownNameError(f"unknown {self.kind} {name!r}; {near}{more}")
        return self._entries[name]

    def _load_entry_points(self) -> None:
        if self._entry_points_loaded:
            return
        self._entry_points_loaded = True
        points: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self.group):
            points.setdefault(point.name, []).append(point)
        for name, offers in points.items():
            if name in self._entries or name in self.built_in:
                continue
            if len(offers) > 1:
                packages = " and ".join(sorted(_package(point) for point in offers))
                self._broken[name] = f"is offered by {packages}: uninstall all but one", None
                continue
            try:
                self._entries[name] = self._checked(offers[0].load())
            except Exception as error:
                # A fault of another package must not hide the parts that work.
                place = f"of {_package(offers[0])} ({offers[0].value})"
                self._broken[name] = f"{place} can't be loaded: {type(error).__name__}: {error}", error

    def _checked(self, part: T) -> T:
        if self._base is not None:
            if not (isinstance(part, type) and issubclass(part, self._base)):
                raise TypeError(f"it must be a class derived from {self._base.__module__}.{self._base.__name__}")
            _check_attributes(part)
            for base in reversed(part.__mro__[1:]):
                _check_methods(part, base)
        return part


class FileRegistry(Registry[Path]):
    """YAML files by name: the project's own lie in a folder, other packages add theirs by entry points to a path.

    Args:
        kind: Kind of the files, used in messages.
        group: Entry-point group through which other packages add paths.
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

    def _checked(self, part: Path) -> Path:
        if not isinstance(part, Path):
            raise TypeError("it must be the pathlib.Path of a file")
        return part

    def locate(self, name_or_path: str | Path) -> Path:
        """Return the path of a registered file, or of a user's own.

        Raises:
            UnknownNameError: No file has that name; the message lists near names.
        """
        return Path(name_or_path) if self.is_path(name_or_path) else self.get(str(name_or_path))


def _check_attributes(part: type) -> None:
    """Make sure that a class has the attributes that its bases announce and leave open.

    Raises:
        TypeError: An attribute is missing.
    """
    for base in part.__mro__:
        for name, annotation in vars(base).get("__annotations__", {}).items():
            if str(annotation).startswith("ClassVar") and not hasattr(part, name):
                raise TypeError(f"{part.__name__}.{name} is missing")


def _check_methods(part: type, base: type) -> None:
    """Make sure that a class has the methods that its base leaves open, and that they take the same arguments.

    Raises:
        TypeError: A method is missing, or can't be called as the base says.
    """
    for name in sorted(getattr(base, "__abstractmethods__", ())):
        wanted, own = (inspect.getattr_static(owner, name) for owner in (base, part))
        if name == "__init__" or not inspect.isfunction(wanted):
            continue
        expected = f"{part.__name__}.{name}{_arguments(wanted)}"
        if own is wanted:
            raise TypeError(f"{expected} is missing")
        try:
            inspect.signature(own).bind(*inspect.signature(wanted).parameters)
        except TypeError as error:
            raise TypeError(f"{part.__name__}.{name}{_arguments(own)} must be {expected}") from error


def _arguments(method: Callable[..., object]) -> str:
    return f"({', '.join(list(inspect.signature(method).parameters)[1:])})"


def _package(point: EntryPoint) -> str:
    return f"package {point.dist.name!r}" if point.dist else "an unnamed package"
