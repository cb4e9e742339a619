"""Adapters of sets whose file names say everything: label, person and view of each picture.

An adapter says how a name is read; what is named otherwise is a row of the rejects, never a guess.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, TypeVar

from fer_au.datasets.base import Adapter, LayoutError, Outline, Record, Scan
from fer_au.datasets.files import Listing, check_root, first_names, list_pictures
from fer_au.datasets.labels import check_label_keys, parse_label, tally_labels
from fer_au.datasets.persons import FoldedConfig, divide_persons
from fer_au.datasets.recognition import fitting_text, sample_pictures
from fer_au.datasets.tally import Place
from fer_au.rejects import Reason, Reject
from fer_au.terminal import counted

FoldedT = TypeVar("FoldedT", bound=FoldedConfig)


@dataclass(frozen=True)
class Name:
    """What the name of a picture says.

    Attributes:
        code: Expression, as the data set writes it.
        subject: Person.
        part: Part of the set that the picture belongs to, such as its view, in the words of the adapter's keys.
    """

    code: str
    subject: str
    part: tuple[str, ...] = ()


class NamedAdapter(Adapter[FoldedT]):
    """Reads a set by the names of its pictures, in whatever folders they lie.

    Attributes:
        title: Name of the data set.
        example: Name of one of its pictures.
        codes: Meaning of its codes.
        complete: Number of its pictures as published, and of its persons.
    """

    title: ClassVar[str]
    example: ClassVar[str]
    codes: ClassVar[dict[str | int, str | None]]
    complete: ClassVar[tuple[int, int]]

    @classmethod
    @abstractmethod
    def read_name(cls, path: str) -> Name | None:
        """Read the name of a picture; None if it is named otherwise than the set's pictures.

        Args:
            path: POSIX path below the root.
        """

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Look at the names of some pictures: most must be the set's."""
        names = [cls.read_name(path) for path in sample_pictures(root)]
        fitting = [name for name in names if name and isinstance(parse_label(name.code, cls.codes), str)]
        return 2 * len(fitting) > len(names)

    def mend(self, names: dict[str, Name | None]) -> list[str]:
        """Name, in place, pictures that are known to be misnamed; return lines about them."""
        return []

    def wanted(self, name: Name, config: FoldedT) -> bool:
        """Tell whether the entry takes the part of the set that a picture belongs to."""
        return True

    def scan(self, config: FoldedT) -> Scan:
        """List the pictures by their names.

        Raises:
            DataError: Missing or empty root, or no picture is named as the set's.
        """
        listing, names, notes = self._read(config)
        folds = divide_persons([name.subject for name in names.values() if name], config.folds)
        records: list[Record] = []
        rejects = list(listing.rejects)
        taken: dict[str, str] = {}
        for path, name in names.items():
            if name is None:
                rejects.append(Reject(path, Reason.UNLABELLED, f"named like no picture of {self.title}"))
            elif not self.wanted(name, config):
                continue
            elif (first := taken.setdefault(PurePosixPath(path).stem.casefold(), path)) != path:
                rejects.append(Reject(path, Reason.DUPLICATE_ID, f"{first} has the same name"))
            elif not isinstance(label := parse_label(name.code, self.codes | config.label_map), str):
                rejects.append(Reject(path, *label))
            else:
                records.append(Record(path, label, fold=folds[name.subject], subject=name.subject))
        return Scan(tuple(records), tuple(rejects), notes=(*notes, *listing.notes(config.root)))

    def outline(self, config: FoldedT) -> Outline:
        """Count the pictures of each expression and fold.

        Raises:
            DataError: As for ``scan``.
        """
        _, names, _ = self._read(config)
        folds = divide_persons([name.subject for name in names.values() if name], config.folds)
        wanted = [name for name in names.values() if name and self.wanted(name, config)]
        listed: Counter[Place] = Counter((None, folds[name.subject], name.code) for name in wanted)
        return Outline(
            subjects=True,
            folds=config.folds > 0,
            fold_names=config.fold_names,
            tally=tally_labels(listed, self.codes | config.label_map),
        )

    def sketch(self, config: FoldedT) -> Outline:
        """Name the folds, which the entry alone decides."""
        return Outline(subjects=True, folds=config.folds > 0, fold_names=config.fold_names)

    def _read(self, config: FoldedT) -> tuple[Listing, dict[str, Name | None], list[str]]:
        """Read the names of all pictures; the lines say what is missing, left out or mended."""
        check_root(config.root)
        listing = list_pictures(config.root, follow_links=config.follow_links)
        names = {path: self.read_name(path) for path in listing.pictures}
        notes = self.mend(names)
        known = [name for name in names.values() if name]
        if not any(isinstance(parse_label(name.code, self.codes), str) for name in known):
            text = f"{config.root}: no picture is named as those of {self.title}, such as {self.example}"
            found = f"; pictures found: {first_names(listing.pictures[:3])}" if listing.pictures else ""
            raise LayoutError(
                (("root", "adapter"), f"{text}{found}{listing.links_text or fitting_text(config.root, config.adapter)}")
            )
        notes += check_label_keys({name.code for name in known}, config)
        return listing, names, [*notes, *self._counts(known, config)]

    def _counts(self, known: Sequence[Name], config: FoldedT) -> list[str]:
        """Say how many pictures the entry leaves out, and whether this is a part of the set."""
        pictures, persons = self.complete
        notes = []
        found = len({name.subject for name in known})
        if len(known) < pictures:
            notes.append(f"{self.title} has {pictures} pictures of {persons} persons; here are {len(known)} of {found}")
        left_out = sum(not self.wanted(name, config) for name in known)
        if left_out:
            notes.append(
                f"{counted(left_out, 'picture belongs', 'pictures belong')} to parts that the entry leaves out"
            )
        if left_out == len(known):
            keys = tuple(key for key in type(config).model_fields if key not in FoldedConfig.model_fields)
            raise LayoutError((keys, f"{config.root}: the entry leaves out all {left_out} pictures"))
        return notes


def sole_gaps(names: Mapping[str, Name | None], wanted: Sequence[str]) -> dict[str, str]:
    """Find misnamed pictures of which it is certain what they are: alone so in a folder that lacks one name alone.

    Args:
        names: POSIX path -> what its name says; None for a misnamed picture.
        wanted: Endings of the names that each folder has, behind the folder's name.

    Returns:
        Path -> the ending that its folder lacks.
    """
    folders: dict[PurePosixPath, list[str]] = defaultdict(list)
    for path in names:
        folders[PurePosixPath(path).parent].append(path)
    found = {}
    for folder, paths in folders.items():
        odd = [path for path in paths if names[path] is None]
        stems = {PurePosixPath(path).stem.upper() for path in paths if names[path]}
        absent = [end for end in wanted if f"{folder.name.upper()}{end}" not in stems]
        if len(odd) == len(absent) == 1 and len(paths) == len(wanted):
            found[odd[0]] = absent[0]
    return found
