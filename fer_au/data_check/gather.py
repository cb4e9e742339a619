"""Gather all that ``fer-au check-data`` tells of a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from fer_au.compute import log
from fer_au.config.data import DatasetConfig
from fer_au.data_check.contents import check_folder_there, describe_unfit, find_sets, sets_line
from fer_au.data_check.copies import count_copies
from fer_au.data_check.entry import name_dataset, write_root
from fer_au.data_check.fits import LAYOUTS, fault_text, find_fits, read_entry
from fer_au.data_check.frames import measure_frame
from fer_au.data_check.holdings import Holdings, take_stock
from fer_au.data_check.pictures import describe_pictures
from fer_au.data_check.problems import find_problems
from fer_au.data_check.result import Counts, DataCheck, Fit
from fer_au.datasets.files import list_folders, list_pictures
from fer_au.datasets.point_faults import blame_points
from fer_au.datasets.summary import SPLITS, untrainable_line
from fer_au.errors import ConfigProblemsError, DataError
from fer_au.expressions import ordered
from fer_au.rejects import Reject
from fer_au.terminal import counted

Framing = Literal["none", "quick", "thorough"]
_MANY = 20_000  # pictures whose names take a while
_LEAKS_ABOVE = "the copies above"


def recognise(root: Path, settings: Mapping[str, Any]) -> tuple[Fit, ...]:
    """Find the adapters that read a folder, the best first.

    Args:
        root: The folder.
        settings: Keys of the entry that the user has given.

    Raises:
        DataError: It is no folder, or none fits; one line that says what it holds.
    """
    check_folder_there(root)
    listing = list_pictures(root, follow_links=settings.get("follow_links") is True)
    if len(listing.pictures) > _MANY:
        log(f"{root}: {counted(len(listing.pictures), 'picture')}; reading names and labels")
    folders = list_folders(root)
    fits = find_fits(root, listing, settings)
    sets = find_sets(root, folders)
    usable = [fit.adapter for fit in fits if not fit.fault]
    apart = len({*sets.values()}) > 1 or not (usable or {*sets.values()} & {"folder"})
    if len(sets) > 1 and apart and not {*LAYOUTS} & {*usable}:
        raise DataError(sets_line(root, sets))
    if not fits:
        raise DataError(describe_unfit(root, listing, folders))
    return tuple(fits)


def check_folder(
    root: Path,
    fits: tuple[Fit, ...],
    *,
    whole: bool = False,
    framing: Framing = "quick",
    keep: Callable[[Sequence[Reject]], str],
) -> DataCheck:
    """Look at a folder by the first of the adapters that fit it.

    Args:
        root: The folder.
        fits: Adapters with their settings, the best first.
        whole: Whether all pictures are opened, however many there are.
        framing: How many pictures are looked at for faces.
        keep: Takes the rejects, and says where they are to be found, for messages.

    Raises:
        DataError: The adapter can't read it.
        ConfigProblemsError: The settings are wrong.
    """
    best, label = fits[0], str(root)
    if best.fault:
        fault = best.fault.removeprefix(f"{root}: ")
        return DataCheck(
            root=label,
            name=name_dataset(root),
            fits=fits,
            usable=False,
            errors=(f"{root}: adapter {best.adapter} can't take it as it is: {fault}",),
            entry=_entry(root, best),
        )
    best, config, holdings = _look(root, best, whole)
    survey = holdings.survey
    table = keep(survey.rejects)
    untrainable = untrainable_line(survey.rows)
    complaints = (
        _complaint(lambda: holdings.check_losses(label, config, table)),
        _complaint(lambda: survey.check_leaks(label, config, _LEAKS_ABOVE)),
        f"{root}: {untrainable}" if untrainable else "",
    )
    errors = tuple(filter(None, complaints))
    frame = None
    if framing != "none":
        frame = measure_frame(config.root, holdings, thorough=framing == "thorough")
    entry = _entry(root, best)
    if frame is not None and "align" not in best.settings:
        entry["align"] = dict(frame.align)
    return DataCheck(
        root=label,
        name=name_dataset(root),
        fits=(best, *fits[1:]),
        usable=not errors,
        errors=errors,
        entry=entry,
        counts=_count(holdings),
        pictures=describe_pictures(config.root, holdings),
        problems=find_problems(survey.notes, survey.rows, survey.rejects, config),
        copies=count_copies(holdings),
        frame=frame,
    )


def _entry(root: Path, fit: Fit) -> dict[str, object]:
    return {"adapter": fit.adapter, "root": write_root(root, Path.cwd()), **fit.settings}


def _complaint(check: Callable[[], None]) -> str:
    try:
        check()
    except DataError as error:
        return str(error)
    return ""


def _look(root: Path, fit: Fit, whole: bool) -> tuple[Fit, DatasetConfig, Holdings]:
    """Read the settings and take stock; guessed points that most faces can't use are given up, and told."""
    config, faults = read_entry(root, fit)
    if config is None:
        raise ConfigProblemsError([f"command line: {fault_text(fault)}" for fault in faults])
    holdings = take_stock(str(root), config, whole=whole)
    survey = holdings.survey
    guessed = any(guess.key == "points" for guess in fit.guesses)
    if guessed and (fault := blame_points(survey.annotations, survey.rows, survey.rejects)):
        settings = {key: value for key, value in fit.settings.items() if key != "points"}
        guesses = tuple(guess for guess in fit.guesses if guess.key != "points")
        fit = replace(fit, settings=settings, guesses=guesses, doubts=(*fit.doubts, f"points aren't used: {fault}"))
        return _look(root, fit, whole)
    return fit, config, holdings


def _count(holdings: Holdings) -> Counts:
    rows = holdings.survey.rows
    numbers = Counter((row.split, row.label) for row in rows)
    labels = ordered(row.label for row in rows)
    faces: dict[str, dict[str, int]] = {split: {label: numbers[split, label] for label in labels} for split in SPLITS}
    here = [split for split in SPLITS if any(faces[split].values())]
    return Counts(
        faces=faces,
        persons=len({row.subject for row in rows if row.subject}),
        folds=tuple(sorted({row.fold for row in rows if row.fold})),
        drawn=tuple(split for split in here if split not in holdings.given | {"train"}),
    )
