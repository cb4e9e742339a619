"""Names of a label file that no picture has: one look for the cause, such as another suffix or folder, in one line.

Names and paths are reduced step by step, until a name means a file: the fewest steps that do so for most are the cause.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from pathlib import Path, PurePosixPath
from unicodedata import normalize
from urllib.parse import unquote

from fer_au.datasets.files import PICTURE_SUFFIXES, leads_below, printable

_TRIED = 20  # names whose cause is sought
_LOOKED_AT = 200  # files that may be meant by one of them
_MOST_STEPS = 3  # that a cause has


@dataclass(frozen=True)
class Step:
    """A difference between names and files.

    Attributes:
        reduce: Takes the difference out of a name or a path.
        text: Says how a file is named, seen from the label file.
    """

    reduce: Callable[[str], str]
    text: str


def _drop_suffix(path: str) -> str:
    stem, suffix = os.path.splitext(path)  # noqa: PTH122 (an empty stem, too)
    return stem if suffix.strip().lower() in PICTURE_SUFFIXES else path


def _base(path: str) -> str:
    return path.rpartition("/")[2]


# In the order in which they are taken: folders are parted before all but the last is dropped.
_STEPS: tuple[Step, ...] = (
    Step(unquote, "with %20 and the like decoded"),
    Step(lambda path: path.replace("\\", "/"), "with / for \\"),
    Step(lambda path: "".join(path.split()), "with other blanks"),
    Step(lambda path: normalize("NFKC", path), "in other Unicode characters"),
    Step(str.casefold, "in other upper and lower case"),
    Step(lambda path: re.sub(r"(?<![0-9])0+(?=[0-9])", "", path), "with other leading zeros"),
    Step(_drop_suffix, "with another suffix"),
    Step(_base, "in another folder"),
)


def explain_absent(root: Path, images: str, listed: Collection[str], unnamed: Sequence[str]) -> str:
    """Say why most names of a label file mean no picture; empty where most do.

    Args:
        root: Root of the data set.
        images: Folder, below the root, that names start from.
        listed: Paths below the root that the rows mean.
        unnamed: Paths below the root of the pictures that no row means.
    """
    absent = sorted(path for path in listed if not (leads_below(path) and os.path.lexists(root / path)))
    if 2 * len(absent) <= len(listed):
        return ""
    start = f"{len(absent)} of {len(listed)} pictures are not there: names are looked up below {root / images}"
    above = "" if PurePosixPath(images) == PurePosixPath() else f"{PurePosixPath(images).as_posix()}/"
    names = [path.removeprefix(above) for path in absent]
    below = {path.removeprefix(above): path for path in unnamed}  # as a name would have it -> below the root
    found = _find_cause(names, below)
    if found is None:
        return printable(f"{start}, where there is no {names[0]}; `images` names another folder below root")
    steps, pairs = found
    name = min(pairs)
    path = below[pairs[name]]
    if [step.reduce for step in steps] == [_base] and (folder := f"/{path}".removesuffix(f"/{name}")) != f"/{path}":
        return printable(f"{start}; {name} is {root / path}: say `images: {folder.strip('/') or '.'}`")
    how = " and ".join(step.text for step in steps)
    return printable(f"{start}; {len(pairs)} are there {how}: {name!r} is {path!r}; write names as the files are named")


def _find_cause(names: Sequence[str], paths: Collection[str]) -> tuple[tuple[Step, ...], dict[str, str]] | None:
    """Find the fewest steps that lead from most names to files, and those files; None if none lead to any."""
    steps = (*_STEPS[:-1], *_added(names, paths), _STEPS[-1])
    tried = names[:: max(1, len(names) // _TRIED)][:_TRIED]
    meant = _index(paths, steps)
    counts: Counter[tuple[Step, ...]] = Counter()
    for number in range(1, _MOST_STEPS + 1):
        for some in combinations(steps, number):
            for name in tried:
                key = _reduced(name, some)
                near = meant.get(_reduced(name, steps), ())[:_LOOKED_AT]
                counts[some] += sum(_reduced(path, some) == key for path in near) == 1
    best = max(counts, key=lambda some: counts[some])  # the first of the best has the fewest steps
    if not counts[best]:
        return None
    index = _index(paths, best)
    files = {name: index.get(_reduced(name, best), []) for name in names}
    found = {name: same[0] for name, same in files.items() if len(same) == 1}
    return (best, found) if found else None


def _index(paths: Iterable[str], steps: Sequence[Step]) -> Mapping[str, list[str]]:
    index: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        index[_reduced(path, steps)].append(path)
    return index


def _reduced(path: str, steps: Sequence[Step]) -> str:
    return reduce(lambda text, step: step.reduce(text), steps, path)


def _added(names: Sequence[str], paths: Collection[str]) -> list[Step]:
    """Find what the files' names have before or behind the label file's names, such as ``_aligned``, or the reverse."""
    stems = [_base(_drop_suffix(name.replace("\\", "/"))).casefold() for name in names[:_TRIED]]
    files = [_base(_drop_suffix(path)).casefold() for path in paths]
    found: Counter[tuple[str, str, str]] = Counter()
    for stem in stems:
        more = {("with", "", file[len(stem) :]) for file in files if file.startswith(stem)}
        more |= {("with", file[: len(file) - len(stem)], "") for file in files if file.endswith(stem)}
        more |= {("without", "", stem[len(file) :]) for file in files if stem.startswith(file)}
        more |= {("without", stem[: len(stem) - len(file)], "") for file in files if stem.endswith(file)}
        found.update(one for one in more if one[1] or one[2])
    if not found:
        return []
    (how, before, behind), number = max(found.items(), key=lambda pair: (pair[1], -len("".join(pair[0][1:]))))
    if 2 * number <= len(stems) or not re.search(r"[^0-9]", before + behind):
        return []
    return [Step(_Without(before, behind), f"{how} {before or behind!r} {'before' if before else 'behind'} the name")]


@dataclass(frozen=True)
class _Without:
    """Takes a beginning or an end off the last part of a path, in front of its suffix."""

    before: str
    behind: str

    def __call__(self, path: str) -> str:
        folder, slash, name = path.rpartition("/")
        stem = _drop_suffix(name)
        bare = stem[len(self.before) :] if self.before and stem.casefold().startswith(self.before) else stem
        bare = bare[: len(bare) - len(self.behind)] if self.behind and bare.casefold().endswith(self.behind) else bare
        return f"{folder}{slash}{bare}{name[len(stem) :]}"
