"""Arguments of public functions, read where a user's value enters: taken as it was meant, or refused in one line.

Here stand words, numbers, paths and lists; arrays are read by ``array_arguments``, pictures by ``picture_arguments``. A
reader returns the one form that the code behind it works with, and never changes what it was given. All refusals are
``ArgumentError``, name the argument, and say what to pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeVar

from fer_au.answers import describe, is_array, shorten
from fer_au.errors import ArgumentError
from fer_au.expressions import EXPRESSIONS, parse_expression
from fer_au.home import at_home
from fer_au.registry import near_names

T = TypeVar("T")


def check_type(name: str, value: object, types: type[T] | tuple[type[T], ...], expected: str) -> T:
    """Check the type of a value that has one right type.

    Args:
        name: Name of the argument.
        value: What was given.
        types: Types that it may have.
        expected: Description of what to pass.

    Raises:
        ArgumentError: It is something else.
    """
    if not isinstance(value, types):
        raise ArgumentError(f"{name}: expected {expected}, got {describe(value)}")
    return value


def plain(value: object) -> object:
    """Unpack an array or tensor without axes, and a scalar of numpy; everything else stays as it is."""
    if is_array(value) and getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    return value


def read_flag(name: str, value: object) -> bool:
    """Read a yes or no; words and numbers are none.

    Raises:
        ArgumentError: It is something else.
    """
    flag = plain(value)
    if not isinstance(flag, bool):
        raise ArgumentError(f"{name}: expected True or False, got {describe(value)}")
    return flag


def read_number(name: str, value: object, *, above: float = 0.0, most: float = float("inf")) -> float:
    """Read a finite number: above a bound, and at most another.

    Raises:
        ArgumentError: It is something else.
    """
    number = plain(value)
    right = isinstance(number, int | float) and not isinstance(number, bool)
    if not right or not above < number <= most or number == float("inf"):  # type: ignore[operator]
        least = "" if above == -float("inf") else f" greater than {above:g}"
        limit = "" if most == float("inf") else f" and at most {most:g}"
        raise ArgumentError(f"{name}: expected a number{least}{limit}, got {describe(value)}")
    return float(number)  # type: ignore[arg-type]


def read_whole(name: str, value: object, *, least: int = 1, most: int | None = None) -> int:
    """Read a whole number, such as a number of pixels; ``28.0``, as a division gives it, is one.

    Raises:
        ArgumentError: It is something else, or beyond the bounds.
    """
    number = plain(value)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or number < least or (most or number) < number:
        limit = f"greater than {least - 1}" if most is None else f"from {least} to {most}"
        raise ArgumentError(f"{name}: expected a whole number {limit}, got {describe(value)}")
    return number


def read_seed(name: str, value: object) -> int:
    """Read a seed: a whole number from 0 to 2^63 - 1, which numpy and torch take alike.

    Raises:
        ArgumentError: It is something else.
    """
    return read_whole(name, value, least=0, most=2**63 - 1)


def read_path(name: str, value: object) -> Path:
    """Read a path; ``~`` is the home folder.

    Raises:
        ArgumentError: It is something else.
        ConfigError: There is no such home folder.
    """
    text = fspath(value) if isinstance(value, str | PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ArgumentError(f"{name}: expected a path, got {describe(value)}")
    return at_home(text, name)


def read_text(name: str, value: object, expected: str) -> str:
    """Read a text, also one that numpy holds.

    Raises:
        ArgumentError: It is something else.
    """
    text = plain(value)
    if not isinstance(text, str):
        raise ArgumentError(f"{name}: expected {expected}, got {describe(value)}")
    return str(text)


def read_names(name: str, value: object) -> tuple[str, ...]:
    """Read a name, or some names without doubles.

    Raises:
        ArgumentError: It is neither, or a name stands there twice.
    """
    given = list(value) if isinstance(value, list | tuple) else [plain(value)]
    names = [str(one) for one in given if isinstance(one, str)]
    if not names or len(names) < len(given):
        raise ArgumentError(f"{name}: expected a name or a list of names, got {describe(value)}")
    if doubled := [one for one in names if names.count(one) > 1]:
        raise ArgumentError(f"{name}: {shorten(doubled[0])!r} stands there twice")
    return tuple(names)


def choose(name: str, value: object, known: Iterable[str]) -> str:
    """Read one of some words.

    Raises:
        ArgumentError: It is none; the message names near ones.
    """
    words, word = list(known), plain(value)
    if not isinstance(word, str):
        raise ArgumentError(f"{name}: expected one of {', '.join(words)}, got {describe(value)}")
    if word not in words:
        raise ArgumentError(f"{name}: unknown {shorten(word)!r}; {near_names(word, words)}")
    return str(word)


def read_list(name: str, value: object, expected: str) -> list[Any]:
    """List the items of anything that has an order: lists, tuples, arrays, series, iterators.

    Args:
        name: Name of the argument.
        value: What was given.
        expected: Description of what to pass.

    Raises:
        ArgumentError: It is one thing alone, or has no order, as a set, or no items of its own, as a mapping.
    """
    alone = isinstance(value, str | bytes | bytearray | Mapping | Set) or getattr(value, "shape", None) == ()
    if alone or hasattr(value, "read") or not isinstance(value, Iterable):
        raise ArgumentError(f"{name}: expected {expected}, got {describe(value)}")
    if is_array(value) and hasattr(value, "tolist") and getattr(value, "ndim", 1) == 1:
        return list(value.tolist())
    return list(value)


def read_labels(name: str, labels: object, count: int | None = None) -> list[str]:
    """Read expression names as label files are read: any case, with the usual synonyms.

    Args:
        name: Name of the argument.
        labels: Names, one per face.
        count: Number of faces; None for any.

    Returns:
        Canonical names.

    Raises:
        ArgumentError: They are no names, one is unknown, or there are more or fewer than faces.

    Example:
        >>> read_labels("labels", ["happy", "Anger"])
        ['happiness', 'anger']
    """
    found = read_known_labels(name, labels, count)
    if None in found:
        place = f"{name}[{found.index(None)}]"
        raise ArgumentError(f"{place}: expected the name of an expression, such as happiness, got none")
    return [label for label in found if label is not None]


def read_known_labels(name: str, labels: object, count: int | None = None) -> list[str | None]:
    """Read expression names as ``read_labels``, where faces may have none: None, or NaN as tables write it."""
    texts = read_list(name, labels, "a list of expression names")
    found = {text: _label(f"{name}[{place}]", text) for place, text in _first_places(texts)}
    if count is not None and len(texts) != count:
        raise ArgumentError(f"{name}: expected one for each of {count} faces, got {len(texts)}")
    return [None if _is_missing(text) else found[text] for text in texts]


def _first_places(texts: list[Any]) -> list[tuple[int, Any]]:
    """List the different labels with their first places: a data set's are few."""
    first: dict[Any, int] = {}
    for place, text in enumerate(texts):
        if _is_missing(text):
            continue
        if not isinstance(text, str | bytes):
            first = {}
            return [(place, text)]
        first.setdefault(text, place)
    return [(place, text) for text, place in first.items()]


def _is_missing(label: object) -> bool:
    return label is None or (isinstance(label, float) and label != label)


def _label(place: str, text: object) -> str:
    if isinstance(text, bytes):  # as stores keep labels
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str):
        given = f"the number {text!r}" if isinstance(text, int | float) else describe(text)
        raise ArgumentError(f"{place}: expected the name of an expression, such as happiness, got {given}")
    if (known := parse_expression(text)) is None:
        raise ArgumentError(f"{place}: unknown expression {shorten(text)!r}; {near_names(text.lower(), EXPRESSIONS)}")
    return known
