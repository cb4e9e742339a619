"""All folds of some experiments' data sets: ``fold: all`` stands for as many experiments, whose names DVC needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from fer_au.config.experiments import ALL_FOLDS
from fer_au.datasets.base import Outline, create_adapter, salvage_dataset
from fer_au.datasets.spelling import code
from fer_au.errors import ConfigError, DataError


def means_all(path: str, values: object) -> bool:
    """Tell whether the values of a key stand for all folds."""
    return path == "fold" and values in (ALL_FOLDS, [ALL_FOLDS])


def name_folds(experiments: Iterable[Mapping[str, Any]], datasets: Mapping[str, Any], where: str) -> list[int | str]:
    """List the folds that the data sets of experiments have: by the folder where it is here, else by the entry.

    Args:
        experiments: Entries of experiments.
        datasets: Section ``datasets``.
        where: Beginning of messages.

    Raises:
        ConfigError: A data set has no folds, or doesn't tell them, or two have others.
    """
    names = list(dict.fromkeys(str(entry.get("dataset")) for entry in experiments))
    found = {name: _folds_of(datasets.get(name, {})) for name in names}
    for name, folds in found.items():
        if not folds:
            text = f"data set {name!r} has no folds, or its folder, which names them, is not here"
            raise ConfigError(f"{where}fold: {text}; list them: fold=0,1,2")
    if len({*found.values()}) > 1:
        texts = [f"{name} has {', '.join(folds)}" for name, folds in found.items()]
        raise ConfigError(f"{where}fold: data sets have other folds ({'; '.join(texts)}); list those that all have")
    return [int(name) if name.isdecimal() and str(int(name)) == name else name for name in found[names[0]]]


def _folds_of(data: Mapping[str, Any]) -> tuple[str, ...]:
    config = salvage_dataset(data)
    if config is None:
        return ()
    adapter = create_adapter(config.adapter)
    outline: Outline | None
    try:
        outline = adapter.outline(config)
    except (DataError, OSError):
        outline = adapter.sketch(config)
    if outline is None:
        return ()
    return _ordered(outline.tally.folds if outline.tally is not None else outline.fold_names)


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Put numbers first, by their size, then words."""

    def place(name: str) -> tuple[bool, Decimal, str]:
        value: Sequence[str] | Decimal = code(name)
        return (False, value, name) if isinstance(value, Decimal) else (True, Decimal(0), name)

    return tuple(sorted(names, key=place))
