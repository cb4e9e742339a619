"""What a look at a folder gives: plain facts, from which the page and the JSON document are written.

Every class here is one object of the document, and its attributes are the keys; ``docs/datasets.md`` lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Guess:
    """A setting that was guessed.

    Attributes:
        key: Path of the key in the entry, such as ``columns.label``.
        value: Its value.
        why: What it was guessed by.
    """

    key: str
    value: object
    why: str


@dataclass(frozen=True)
class Fit:
    """An adapter that may read the folder.

    Attributes:
        adapter: Its name.
        faces: Faces that it lists with a label.
        settings: Keys of its entry, without ``adapter`` and ``root``.
        guesses: Settings that were guessed.
        doubts: Lines about what was looked at and isn't used.
        fault: Why it can't read the folder by these settings; empty if it can.
    """

    adapter: str
    faces: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)
    guesses: tuple[Guess, ...] = ()
    doubts: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class Counts:
    """Numbers of faces.

    Attributes:
        faces: Split -> expression -> number of faces.
        persons: Number of known persons.
        folds: Names of the folds.
        drawn: Splits that aren't the set's own: ``ingest`` draws them by the fractions and the seed.
    """

    faces: Mapping[str, Mapping[str, int]]
    persons: int = 0
    folds: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pictures:
    """How the pictures are.

    Attributes:
        listed: Number of pictures that have a labelled face.
        opened: Number of those that were opened and decoded.
        smallest: Width and height of the picture with the fewest pixels.
        median: Median width, and median height.
        largest: Width and height of the picture with the most pixels.
        formats: Format -> share of the pictures.
        colours: Kind of colour -> share of the pictures.
        described: Number of pictures whose format and colour were looked at.
    """

    listed: int
    opened: int
    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    formats: Mapping[str, float]
    colours: Mapping[str, float]
    described: int


@dataclass(frozen=True)
class Problem:
    """Items that can't be used, or another thing to know before ``ingest``.

    Attributes:
        kind: Reason, as in ``rejects/ingest.csv``; ``note`` for what adapter and splits tell.
        count: Number of items; 0 for a note.
        text: What is wrong.
        examples: Up to three items.
        remedy: What to do.
    """

    kind: str
    count: int
    text: str
    examples: tuple[str, ...] = ()
    remedy: str = ""


@dataclass(frozen=True)
class Copies:
    """Photographs and persons that are in the set more than once.

    Attributes:
        exact: Number of faces whose picture has the bytes of another; all pictures are compared.
        near: Number of faces whose picture shows what another one shows, by other bytes.
        near_among: Number of pictures that were compared for that.
        leaking: Number of photographs and persons that lie in two splits or folds.
        lines: What leaks, and what has two labels, with an example each.
    """

    exact: int
    near: int
    near_among: int
    leaking: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Frame:
    """How the faces lie in the pictures, measured on a sample.

    Attributes:
        pictures: Number of pictures that were looked at.
        found: Detector -> number of pictures in which it finds a face.
        missing: Detectors that aren't installed.
        detector: Detector that the rest was measured by.
        aligned: Whether the pictures are aligned crops.
        shift: Median distance of the faces from their common place, in inter-ocular distances; None without faces.
        tilt: Median difference of the faces' roll from their common one, in degrees; None without faces.
        face: Median width of a face in shorter sides of its picture; None without faces.
        outside: Template -> median share of a crop that would lie outside its picture.
        align: Settings of ``align`` that fit.
    """

    pictures: int
    found: Mapping[str, int]
    missing: tuple[str, ...]
    detector: str
    aligned: bool
    shift: float | None
    tilt: float | None
    face: float | None
    outside: Mapping[str, float]
    align: Mapping[str, object]


@dataclass(frozen=True)
class DataCheck:
    """All that a look at a folder gives.

    Attributes:
        root: The folder, as it was given.
        name: Name for the data set in ``params.yaml``.
        fits: Adapters that may read it, the best first; the one that was asked for alone.
        usable: Whether ``ingest`` takes the set, and a training could use it.
        errors: Why not, one line each.
        entry: Entry of ``datasets``.
        counts: Numbers of faces.
        pictures: How the pictures are.
        problems: What can't be used, and what else to know.
        copies: What is there more than once.
        frame: How the faces lie; None if that wasn't looked at.
    """

    root: str
    name: str
    fits: tuple[Fit, ...]
    usable: bool
    errors: tuple[str, ...]
    entry: Mapping[str, object]
    counts: Counts | None = None
    pictures: Pictures | None = None
    problems: tuple[Problem, ...] = ()
    copies: Copies | None = None
    frame: Frame | None = None
