"""Which adapters may read a folder, by which settings, the best first.

Each candidate is tried: its settings are read as of ``params.yaml``, and the adapter outlines the set without opening a
picture. An adapter of one known set comes before a layout that any set may have, unless the layout takes more faces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from fer_au.config.data import DatasetConfig
from fer_au.config.reading import Fault
from fer_au.data_check.label_tables import TableGuess, guess_tables
from fer_au.data_check.result import Fit, Guess
from fer_au.datasets.base import LayoutError, Outline, create_adapter, examine_dataset
from fer_au.datasets.files import Listing
from fer_au.datasets.recognition import fitting_adapters
from fer_au.datasets.summary import lost_labels_line
from fer_au.errors import FerAuError

LAYOUTS = ("sep", "csv", "folder")
"""Layouts that any data set may have, in the order in which they come where they take as many faces."""

_CLEARLY = 0.9  # share of the most faces that an adapter takes which is preferred for knowing the set
_TEST = 0.2  # share of a set without a test part that becomes one
_NAME = "given"


def find_fits(root: Path, listing: Listing, settings: Mapping[str, Any]) -> list[Fit]:
    """Find the adapters that may read a folder.

    Args:
        root: The folder.
        listing: What lies below it.
        settings: Keys of the entry that the user has given; they count for every adapter, and are never guessed.

    Returns:
        The best first; those that can't read it by the settings at hand last, with the reason.
    """
    names = [name for name in fitting_adapters(root) if name not in ("csv", "union")]
    if "folder" not in names and {"label_map", "split_map"} & settings.keys():  # they name the folders
        names.append("folder")
    fits = [_try(root, Fit(name, settings=settings)) for name in names]
    fits += [_try(root, _of_table(guess, settings)) for guess in guess_tables(root, listing, settings)]
    most = max((fit.faces for fit in fits if not fit.fault), default=0)

    def rank(fit: Fit) -> tuple[bool, bool, int, int]:
        layout = fit.adapter in LAYOUTS
        first = not layout and fit.faces >= _CLEARLY * most
        return bool(fit.fault), not first, -fit.faces, LAYOUTS.index(fit.adapter) if layout else -1

    return sorted(fits, key=rank)


def _of_table(guess: TableGuess, given: Mapping[str, Any]) -> Fit:
    """Make a candidate of a label file; what the user has given lies over what was guessed."""
    guesses = tuple(one for one in guess.guesses if not _is_given(one.key, given))
    fault = "" if "images" in given or "columns" in given else guess.fault
    return Fit("csv", 0, _lay_over(guess.settings, given), guesses, guess.doubts, fault)


def _is_given(key: str, given: Mapping[str, Any]) -> bool:
    first, _, rest = key.partition(".")
    inner = given.get(first)
    return first in given and (not rest or (isinstance(inner, Mapping) and _is_given(rest, inner)))


def _lay_over(guessed: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Lay settings over others; the columns one by one."""
    columns = {**guessed.get("columns", {}), **given["columns"]} if isinstance(given.get("columns"), Mapping) else None
    return {**guessed, **given, **({"columns": columns} if columns else {})}


def _try(root: Path, fit: Fit) -> Fit:
    """Read the settings of a candidate, and let its adapter outline the set; cut a test part where it has none."""
    config, faults = read_entry(root, fit)
    if fit.fault:
        return fit
    if config is None:
        return replace(fit, fault="; ".join(fault_text(fault) for fault in faults))
    try:
        outline = create_adapter(fit.adapter).outline(config)
    except LayoutError as error:
        return _try_others(root, fit, config, error) or replace(fit, fault=str(error))
    except (FerAuError, OSError) as error:
        return replace(fit, fault=str(error))
    if outline is None or outline.tally is None:
        return fit
    faces = sum(outline.tally.faces.values())
    fault = lost_labels_line(outline.tally, config)
    if not _needs_test(outline) or "test_fraction" in fit.settings:
        return replace(fit, faces=faces, fault=fault)
    guess = Guess("test_fraction", _TEST, "the set has no test part; another share as you like")
    settings = {**fit.settings, "test_fraction": _TEST}
    return replace(fit, faces=faces, fault=fault, settings=settings, guesses=(*fit.guesses, guess))


def _try_others(root: Path, fit: Fit, config: DatasetConfig, error: LayoutError) -> Fit | None:
    """Try the other values of a key to whose few values the folder may fit, such as ``pictures``; None if none does."""
    for (key, *_), _ in error.faults:
        field = type(config).model_fields.get(key)
        values = get_args(field.annotation) if field and get_origin(field.annotation) is Literal else ()
        for value in values if key not in config.model_fields_set else ():
            if value == getattr(config, key):
                continue
            guess = Guess(key, value, f"the folder has no {getattr(config, key)} ones")
            found = _try(root, replace(fit, settings={**fit.settings, key: value}, guesses=(*fit.guesses, guess)))
            if not found.fault:
                return found
    return None


def _needs_test(outline: Outline) -> bool:
    return not outline.folds and "test" not in outline.splits and bool({"train", None} & outline.splits)


def read_entry(root: Path, fit: Fit) -> tuple[DatasetConfig | None, Sequence[Fault]]:
    """Read a candidate's settings as an entry of ``datasets``; None where they have faults."""
    config, faults = examine_dataset(_NAME, {"adapter": fit.adapter, "root": str(root), **fit.settings})
    return (None if faults else config), faults


def fault_text(fault: Fault) -> str:
    """Say a fault of an entry without the place in ``params.yaml``."""
    return str(fault).removeprefix(f"datasets.{_NAME}").lstrip(".: ")
