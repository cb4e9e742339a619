"""Lay out the section on landmark extractors: the benchmark's table, its plot, and heat tables of errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fer_au.landmarks.benchmark_results import FLOOR, Cell, LandmarkResults, PairResult
from fer_au.report.curves import Tick, nice_ticks

WIDTH, HEIGHT = 620, 310
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 26, 44
PLOT_FRAME = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM}
COLOURS = 8
_RADIUS = 5.5
_DEEPEST = 0.12  # error at which a heat cell has its full colour
_SHAPES = ("circle", "square", "triangle", "diamond", "plus", "bar")
_GIVEN_BOX = "provided"

Point = tuple[float, float]


@dataclass(frozen=True)
class Mark:
    """Mark of one pair in the plot: an SVG path, its extractor's colour and a text for the pointer."""

    path: str
    colour: int
    text: str
    best: bool


@dataclass(frozen=True)
class Plot:
    """Plot of exactness over speed.

    Attributes:
        marks: Marks of the pairs, one for each pair with a real extractor.
        front: Points of the line through the pairs that no other pair beats in both exactness and speed.
        floor: Best AUC of the average face; None if it was not measured.
        x_ticks: Ticks in pictures per second.
        y_ticks: Ticks in AUC.
        shapes: Detector -> SVG path of its mark around the origin, for the legend.
    """

    marks: list[Mark]
    front: str
    floor: float | None
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    shapes: dict[str, str]


@dataclass(frozen=True)
class HeatCell:
    """Cell of a heat table: its text, the depth of its colour (0 to 1), and a note on its faces."""

    text: str
    share: float
    note: str


@dataclass(frozen=True)
class HeatTable:
    """Table of mean errors: extractors in rows, parts of the faces in columns."""

    title: str
    columns: list[str]
    rows: dict[str, list[HeatCell]]


@dataclass(frozen=True)
class LandmarkSection:
    """Everything that the section shows.

    Attributes:
        results: Run of the benchmark.
        colours: Extractor -> colour index of the page.
        pairs: Pairs of a detector and an extractor, best first.
        best: Pairs that no other pair beats in both AUC and speed, quickest last.
        plot: Plot of exactness over speed.
        heats: Tables of errors by region, expression and yaw with one detector, and by detector.
    """

    results: LandmarkResults
    colours: dict[str, int]
    pairs: list[PairResult]
    best: list[PairResult]
    plot: Plot
    heats: list[HeatTable]


def landmark_section(results: LandmarkResults | None) -> LandmarkSection | None:
    """Lay the section out; None if nothing was measured."""
    if results is None or not results.pairs:
        return None
    baseline = results.baseline[1]
    names = sorted({pair.extractor for pair in results.pairs}, key=lambda name: (name == FLOOR, name != baseline, name))
    # Colour 0 is the grey of what is compared with: the floor's.
    colours = {name: 0 if name == FLOOR else 1 + index % (COLOURS - 1) for index, name in enumerate(names)}
    pairs = sorted(results.pairs, key=lambda pair: (-pair.auc, -pair.pair_rate))
    detectors = list(dict.fromkeys(pair.detector for pair in results.pairs))
    shown = results.baseline[0] if results.baseline[0] in detectors else detectors[0]
    best = pareto_front(pairs)
    plot = draw_plot(pairs, best, colours, detectors)
    return LandmarkSection(results, colours, pairs, best, plot, heat_tables(results, names, shown))


def pareto_front(pairs: Sequence[PairResult]) -> list[PairResult]:
    """Find the pairs to choose from, most exact first: no other is at least as exact and as quick, and better in one.

    The floor is no choice; neither is a detector whose box a person must draw.
    """
    real = [pair for pair in pairs if pair.extractor != FLOOR and pair.detector != _GIVEN_BOX and pair.auc > 0]
    front = [
        pair
        for pair in real
        if not any(
            one.auc >= pair.auc
            and one.pair_rate >= pair.pair_rate
            and (one.auc, one.pair_rate) != (pair.auc, pair.pair_rate)
            for one in real
        )
    ]
    return sorted(front, key=lambda pair: -pair.auc)


def draw_plot(
    pairs: Sequence[PairResult], best: Sequence[PairResult], colours: Mapping[str, int], detectors: Sequence[str]
) -> Plot:
    """Place every pair by its speed (logarithmic) and its AUC."""
    real = [pair for pair in pairs if pair.extractor != FLOOR and pair.pair_rate > 0]
    floors = [pair.auc for pair in pairs if pair.extractor == FLOOR]
    speeds = [math.log10(pair.pair_rate) for pair in real] or [0.0]
    heights = [pair.auc for pair in real] or [0.0]
    x_low, x_high = min(speeds) - 0.12, max(speeds) + 0.12
    margin = max(0.08 * (max(heights) - min(heights)), 0.01)
    y_low, y_high = min(heights) - margin, max(heights) + margin

    def place(rate: float, auc: float) -> Point:
        across = (math.log10(rate) - x_low) / (x_high - x_low)
        up = (auc - y_low) / (y_high - y_low)
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 2),
            round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 2),
        )

    shapes = {name: _SHAPES[index % len(_SHAPES)] for index, name in enumerate(detectors)}
    marks = [
        Mark(
            shape_path(shapes[pair.detector], *place(pair.pair_rate, pair.auc)),
            colours[pair.extractor],
            f"{detector_label(pair.detector)} + {pair.extractor}: AUC {pair.auc:.3f}, {rate_text(pair.pair_rate)}/s",
            pair in best,
        )
        for pair in real
    ]
    front = [place(pair.pair_rate, pair.auc) for pair in best if pair.pair_rate > 0]
    return Plot(
        marks,
        " ".join(f"{x:g},{y:g}" for x, y in front),
        max(floors, default=None),
        [Tick(place(rate, y_low)[0], f"{rate:g}") for rate in log_ticks(x_low, x_high)],
        [Tick(place(1, auc)[1], f"{auc:g}") for auc in nice_ticks(y_low, y_high)],
        {name: shape_path(shape, 0, 0) for name, shape in shapes.items()},
    )


def log_ticks(low: float, high: float, most: int = 9) -> list[float]:
    """Choose round values between 10**low and 10**high: 1, 2 and 5 times powers of ten, fewer if those are many.

    >>> log_ticks(0.0, 2.0)
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
    """
    powers = range(math.floor(low), math.ceil(high) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{step}e{power}") for power in powers for step in steps]
        inside = [tick for tick in ticks if low - 1e-9 <= math.log10(tick) <= high + 1e-9]
        if len(inside) <= most:
            break
    return inside


def shape_path(shape: str, x: float, y: float, r: float = _RADIUS) -> str:
    """Draw the outline of a mark around a point as SVG path data; all shapes have about the same area."""
    if shape == "circle":
        return f"M{x - r:g} {y:g}a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0 {-2 * r:g} 0z"
    t = r * 0.36
    corners = {
        "square": [(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
        "triangle": [(0, -1.2), (1.15, 0.85), (-1.15, 0.85)],
        "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
        "plus": [
            (-t / r, -1.25), (t / r, -1.25), (t / r, -t / r), (1.25, -t / r), (1.25, t / r), (t / r, t / r),
            (t / r, 1.25), (-t / r, 1.25), (-t / r, t / r), (-1.25, t / r), (-1.25, -t / r), (-t / r, -t / r),
        ],
        "bar": [(-1.4, -0.5), (1.4, -0.5), (1.4, 0.5), (-1.4, 0.5)],
    }[shape]  # fmt: skip
    return "M" + "L".join(f"{x + r * dx:.2f} {y + r * dy:.2f}" for dx, dy in corners) + "z"


def heat_tables(results: LandmarkResults, extractors: Sequence[str], shown: str) -> list[HeatTable]:
    """Tabulate errors by region, expression and yaw with the detector ``shown``, and by detector."""
    with_shown = f"with {detector_label(shown)}"
    parts: dict[str, Callable[[PairResult], Mapping[str, Cell]]] = {
        f"By part of the face, {with_shown}": lambda pair: pair.by_region,
        f"By expression, {with_shown}": lambda pair: pair.by_expression,
        f"By |yaw|, {with_shown}": lambda pair: pair.by_yaw,
    }
    own = {pair.extractor: pair for pair in results.pairs if pair.detector == shown}
    tables = []
    for title, part in parts.items():
        columns = list(dict.fromkeys(name for pair in own.values() for name in part(pair)))
        rows = {
            name: [heat_cell(part(own[name]).get(column)) for column in columns] for name in extractors if name in own
        }
        tables.append(HeatTable(title, columns, rows))
    detectors = list(dict.fromkeys(pair.detector for pair in results.pairs))
    by_pair = {(pair.extractor, pair.detector): pair for pair in results.pairs}
    rows = {name: [_pair_cell(by_pair.get((name, detector))) for detector in detectors] for name in extractors}
    tables.append(HeatTable("By detector", [detector_label(name) for name in detectors], rows))
    return [table for table in tables if table.columns]


def heat_cell(cell: Cell | None) -> HeatCell:
    """Write a mean error as a percentage of the inter-ocular distance."""
    if cell is None or cell.error is None:
        return HeatCell("–", 0.0, "no faces")
    return HeatCell(f"{100 * cell.error:.1f}", min(1.0, cell.error / _DEEPEST), f"{cell.n} faces")


def _pair_cell(pair: PairResult | None) -> HeatCell:
    if pair is None:
        return HeatCell("–", 0.0, "not measured")
    return heat_cell(Cell(n=pair.n - pair.no_face - pair.wrong_face - pair.no_points, error=pair.mean))


def detector_label(name: str) -> str:
    """Name a detector for readers; the one that takes a given box got the true one."""
    return "true box" if name == _GIVEN_BOX else name


def rate_text(rate: float) -> str:
    """Write items per second in three digits or fewer; a dash for none."""
    if rate <= 0:
        return "–"
    if rate >= 10_000:
        return ">10,000"
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"
