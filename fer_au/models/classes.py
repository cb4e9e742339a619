"""Classes of a classifier: expressions, or persons, whose classifier is a start for expressions."""

from __future__ import annotations

from collections.abc import Sequence

from fer_au.arguments import read_labels, read_list
from fer_au.errors import ArgumentError, DataError
from fer_au.expressions import ordered

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
    return any(isinstance(name, str) and name.startswith(_SUBJECT) for name in classes)


def check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Check a model's classes: at least two expressions in canonical order, or persons sorted by name.

    Expressions are read as in label files: ``happy`` is ``happiness``.

    Raises:
        ArgumentError: They are no list of names, one names no expression, they are too few, or in another order.
    """
    names = tuple(read_list("classes", classes, "a list of expression names"))
    if are_subjects(names):
        if names != tuple(sorted(set(map(str, names)))) or not all(are_subjects([name]) for name in names):
            raise ArgumentError("classes: persons must be distinct, sorted by name, and not be mixed with expressions")
        names = tuple(map(str, names))
    else:
        names = tuple(read_labels("classes", names))
        if names != ordered(names):
            raise ArgumentError(f"classes: labels must be distinct and in canonical order: {', '.join(ordered(names))}")
    if len(names) < 2:
        raise ArgumentError("classes: a classifier needs at least two")
    return names
