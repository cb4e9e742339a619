"""Classes of a classifier: expressions, or persons, whose classifier is a start for expressions."""

from __future__ import annotations

from collections.abc import Sequence

from fer_au.errors import ConfigError, DataError
from fer_au.expressions import EXPRESSIONS, ordered

_SUBJECT = "subject:"


def subject_class(subject: str) -> str:
    """Name the class of a person.

    Raises:
        DataError: The person's name holds a comma, which separates classes in files.
    """
    if "," in subject:
        raise DataError(f"subject {subject!r}: its name holds a comma")
    return _SUBJECT + subject


def are_subjects(classes: Sequence[str]) -> bool:
    """Tell whether classes are persons."""
    return any(name.startswith(_SUBJECT) for name in classes)


def check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Check a model's classes: at least two expressions in canonical order, or persons sorted by name.

    Raises:
        ConfigError: They are neither.
    """
    names = tuple(classes)
    if are_subjects(names):
        if names != tuple(sorted(set(names))) or not all(name.startswith(_SUBJECT) for name in names):
            raise ConfigError("classes: persons must be distinct, sorted by name, and not be mixed with expressions")
    else:
        if unknown := [name for name in names if name not in EXPRESSIONS]:
            raise ConfigError(f"classes: {unknown[0]!r} is no canonical label; these are {', '.join(EXPRESSIONS)}")
        if names != ordered(names):
            raise ConfigError(f"classes: labels must be distinct and in canonical order: {', '.join(ordered(names))}")
    if len(names) < 2:
        raise ConfigError("classes: a classifier needs at least two")
    return names
