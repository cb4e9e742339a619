"""Named parts (adapters, detectors, extractors, CAMs, ...): built-in ones and third parties' entry points."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar

from fer_au.answers import describe
from fer_au.errors import ArgumentError, MissingDependencyError, UnknownNameError
from fer_au.home import at_home

T = TypeVar("T")

_TYPO = 0.8  # likeness of a name to a mistyped one


_REMOTE = 0.5  # how alike names are that may be meant
_BEGINNING = 2  # letters that may stand for a whole name
_SHORT, _ALIKE_SHORT = 5, 0.65  # two letters that short names share by chance make a half of them


def near_keys(name: str, known: Iterable[str], limit: int = 5, alike: float = _REMOTE) -> list[str]:
    """List the known names that a user may have meant, the nearest first.

    Capitals make no difference; where a name differs by them alone, it is the only one.

    Args:
        name: What the user wrote.
        known: Names that exist.
        limit: The most names that are listed.
        alike: How alike names are at least, from 0 to 1; short ones must be more alike, or differ in one letter. The
            beginning of a longer name is near it, unless only slips are asked for.

    Example:
        >>> near_keys("LAN", ["lan", "plan"]), near_keys("weg", ["zwei"]), near_keys("arc", ["arcface-112", "loose"])
        (['lan'], [], ['arcface-112'])
    """
    names: dict[str, list[str]] = {}  # without capitals -> as they are written
    for one in sorted(known):
        names.setdefault(one.casefold(), []).append(one)
    folded = name.casefold()
    if folded in names:
        return names[folded][:limit]
    cutoff = max(alike, _ALIKE_SHORT) if len(folded) <= _SHORT else alike
    near = get_close_matches(folded, names, n=limit, cutoff=cutoff)
    if cutoff > alike:
        near += sorted(one for one in names if len(one) == len(folded) and sum(map(str.__ne__, one, folded)) == 1)
    if len(folded) >= _BEGINNING and alike <= _REMOTE:
        near += [one for one in names if one.startswith(folded)]
    return [own for one in dict.fromkeys(near) for own in names[one]][:limit]


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
        base: Class from which parts must be derived; None accepts anything.
        arguments: Keyword arguments that the constructors of parts without options may need.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: Mapping[str, str] | None = None,
        base: type | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self.kind = kind
        self.group = group
        self._base = base
        self._arguments = tuple(arguments)
        self.built_in = dict(built_in or {})
        self._entries: dict[str, T] = {}
        self._broken: dict[str, tuple[str, Exception | None]] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate a part to add it under ``name``.

        Raises:
            ValueError: There is a part of that name.
            TypeError: It is no part of this kind, or can't be used as one.
        """

        def add(entry: T) -> T:
            own = self.built_in.get(name)
            if own is not None and getattr(entry, "__module__", own) != own:
                raise ValueError(f"{self.kind} {name!r} is built in; take another name")
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = self._checked(entry)
            return entry

        return add

    def names(self) -> list[str]:
        """List all names, sorted. Built-in parts are not imported for it; parts that can't be loaded are left out."""
        for name in self._offers:
            self._find_offer(name)
        return sorted({*self._entries, *self.built_in})

    def get(self, name: str) -> T:
        """Return the part of a name.

        Raises:
            ArgumentError: ``name`` is no text.
            UnknownNameError: There is no such part; the message lists near names.
            MissingDependencyError: Another package has the part and can't be used; the message names that package.
        """
        if not isinstance(name, str):
            raise ArgumentError(f"{self.kind}: expected a name, got {describe(name)}; {near_names('', self.names())}")
        self._find_offer(name)
        if name in self._broken:
            fault, cause = self._broken[name]
            raise MissingDependencyError(f"{self.kind} {name!r} {fault}") from cause
        if name in self.built_in:
            import_module(self.built_in[name])
            if name not in self._entries:
                raise LookupError(f"{self.built_in[name]} registers no {self.kind} {name!r}; compare the names")
        if name not in self._entries:
            near = near_names(name, self.names())
            more = ""
            if not near_keys(name, self.names(), alike=_TYPO):  # no slip of the pen: it may be another lab's part
                joint = " " if near.endswith("?") else "; "
                more = f"{joint}a part of another package needs that package installed"
            raise UnknownNameError(f"unknown {self.kind} {name!r}; {near}{more}")
        return self._entries[name]

    def title(self, part: object) -> str:
        """Name a part in messages: its kind, its name if it has one, and its class."""
        own = type(part)
        name = getattr(part, "name", "") or next((name for name, one in self._entries.items() if one is own), "")
        return f"{self.kind}{f' {name!r}' if name else ''} ({own.__module__}.{own.__qualname__})"

    @cached_property
    def _offers(self) -> dict[str, list[EntryPoint]]:
        """Parts that other packages offer, by name."""
        offers: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self.group):
            offers.setdefault(point.name, []).append(point)
        return offers

    def _find_offer(self, name: str) -> None:
        """Load the part that another package offers under a name, if there is one, or note what is wrong with it."""
        offers = self._offers.get(name, [])
        if not offers or name in self._broken:
            return
        packages = " and ".join(sorted(_package(point) for point in offers))
        if self._is_own(name):
            offered = f"{packages} ({offers[0].value})"
            self._broken[name] = (
                f"is built into fer_au, and offered by {offered}: give the package's another name",
                None,
            )
        elif len(offers) > 1:
            self._broken[name] = f"is offered by {packages}: uninstall all but one", None
        elif name not in self._entries:
            try:
                self._entries[name] = self._checked(offers[0].load())
            except Exception as error:
                # A fault of another package must not hide the parts that work.
                place = f"of {packages} ({offers[0].value})"
                self._broken[name] = f"{place} can't be loaded: {type(error).__name__}: {error}", error

    def _is_own(self, name: str) -> bool:
        return name in self.built_in

    def _checked(self, part: T) -> T:
        if self._base is not None:
            if not (isinstance(part, type) and issubclass(part, self._base)):
                raise TypeError(f"it must be a class derived from {self._base.__module__}.{self._base.__name__}")
            _check_attributes(part)
            for base in reversed(part.__mro__[1:]):
                _check_methods(part, base)
            _check_options(part, self._base, self.kind)
            _check_constructor(part, self._base, self.kind, self._arguments)
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
        self._own = frozenset(self._entries)

    def is_path(self, name_or_path: str | Path) -> bool:
        """Tell a path from a name: a path ends in ``.yaml`` or ``.yml``, or holds a path separator.

        Raises:
            ArgumentError: It is neither.
        """
        if not isinstance(name_or_path, str | os.PathLike):
            raise ArgumentError(f"{self.kind}: expected a name or the path of a file, got {describe(name_or_path)}")
        text = os.fspath(name_or_path)
        if not isinstance(text, str) or "\0" in text:
            raise ArgumentError(f"{self.kind}: expected a name or the path of a file, got {describe(name_or_path)}")
        return isinstance(name_or_path, Path) or text.endswith((".yaml", ".yml")) or "/" in text or os.sep in text

    def _is_own(self, name: str) -> bool:
        return name in self._own

    def _checked(self, part: Path) -> Path:
        if not isinstance(part, Path):
            raise TypeError("it must be the pathlib.Path of a file")
        return part

    def locate(self, name_or_path: str | Path) -> Path:
        """Return the path of a registered file, or of a user's own.

        Raises:
            UnknownNameError: No file has that name; the message lists near names.
            ConfigError: The path begins with a home folder that there isn't.
        """
        return at_home(name_or_path, self.kind) if self.is_path(name_or_path) else self.get(str(name_or_path))


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


def _check_options(part: type, base: type, kind: str) -> None:
    """Make sure that options are declared where parts of the kind have them, or not at all: others would be ignored.

    Raises:
        TypeError: A nested class ``Options`` or ``Config`` has no use, or is none that can be used.
    """
    options: type | None = getattr(base, "Options", None)
    keyed = any("Config" in vars(one).get("__annotations__", {}) for one in base.__mro__)
    right = f"no {kind} takes options; register one class for each setting"
    if options is not None:
        right = "options belong in a nested class Options"
    elif keyed:
        right = "keys belong in a nested class Config"
    for name, known in (("Options", options is not None), ("Config", keyed)):
        if not known and isinstance(getattr(part, name, None), type):
            raise TypeError(f"{part.__name__}.{name} has no use: {right}")
    own = getattr(part, "Options", None)
    if options is not None and not (isinstance(own, type) and issubclass(own, options)):
        place = f"{options.__module__}.{options.__name__}"
        raise TypeError(f"{part.__name__}.Options must be a class derived from {place}")


def _check_constructor(part: type, base: type, kind: str, arguments: Sequence[str]) -> None:
    """Make sure that a class can be made: from what all parts of its kind are given, and from its own options.

    Raises:
        TypeError: Its constructor needs what nobody gives.
    """
    given = list(dict.fromkeys([*arguments, *_needed(base)]))
    options = getattr(part, "Options", None)
    own = [] if options is None else list(options.model_fields)
    if unknown := [name for name in _needed(part) if name not in (*given, *own)]:
        words = [*given, *(["its options"] if options is not None else [])]
        all_given = f"only {' and '.join(words)}" if words else "no arguments"
        raise TypeError(f"{part.__name__}({', '.join(unknown)}) can't be made: a {kind} is given {all_given}")


def _needed(owner: type) -> list[str]:
    """List the arguments without which an object of a class can't be made."""
    free = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    parameters = inspect.signature(owner).parameters.values()
    return [one.name for one in parameters if one.default is one.empty and one.kind not in free]


def _arguments(method: Callable[..., object]) -> str:
    return f"({', '.join(list(inspect.signature(method).parameters)[1:])})"


def _package(point: EntryPoint) -> str:
    return f"package {point.dist.name!r}" if point.dist else "an unnamed package"
