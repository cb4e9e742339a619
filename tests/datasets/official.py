"""Ask an adapter what it makes of a folder, by the entry that a user would write."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from fer_au.datasets import Scan, create_adapter
from fer_au.datasets.base import Outline, examine_dataset
from fer_au.datasets.stage import Survey, survey_dataset


def scan(adapter: str, root: Path, **keys: object) -> Scan:
    """List the faces."""
    config, faults = examine_dataset("x", {"adapter": adapter, "root": str(root), **keys})
    assert not faults, faults
    return create_adapter(adapter).scan(config)


def outline(adapter: str, root: Path, **keys: object) -> Outline:
    """Tell beforehand; the numbers must be those of the scan."""
    config, faults = examine_dataset("x", {"adapter": adapter, "root": str(root), **keys})
    assert not faults, faults
    found = create_adapter(adapter).outline(config)
    assert found is not None
    assert found.tally is not None
    return found


def survey(adapter: str, root: Path, **keys: object) -> Survey:
    """Open every picture, as ingest does."""
    config, faults = examine_dataset("x", {"adapter": adapter, "root": str(root), **keys})
    assert not faults, faults
    return survey_dataset("x", config)


def reasons(found: Scan | Survey) -> dict[str, str]:
    """Id -> reason of the rejects."""
    return {reject.id: reject.reason.value for reject in found.rejects}


def check_outline(adapter: str, root: Path, **keys: object) -> None:
    """The outline counts what the scan lists."""
    found = scan(adapter, root, **keys)
    told = outline(adapter, root, **keys)
    assert told.tally is not None
    listed = Counter((one.split, one.fold, one.label) for one in found.records)
    assert Counter({place: number for place, number in told.tally.faces.items() if number}) == listed
    assert told.splits == {one.split for one in found.records}
    assert told.subjects == any(one.subject for one in found.records)
    assert told.folds == any(one.fold for one in found.records)
