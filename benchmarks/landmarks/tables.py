"""The landmark benchmark's results as text tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fer_au.landmarks.benchmark_results import Cell, LandmarkResults, PairResult

_PARTS: dict[str, Callable[[PairResult], Mapping[str, Cell]]] = {
    "region": lambda pair: pair.by_region,
    "expression": lambda pair: pair.by_expression,
    "|yaw|": lambda pair: pair.by_yaw,
}


def print_results(results: LandmarkResults) -> None:
    """Print conditions, the table of pairs, and the errors by region, expression and yaw."""
    versions = ", ".join(f"{name} {number}" for name, number in results.versions.items())
    people = f" of {results.people} people" if results.people else ""
    print(f"{results.source}: {results.images} faces{people}")
    print(f"host: {results.processor}, {results.cores} cores, load {results.load}; {versions}")
    print(f"align: keypoints {results.keypoints}, template {results.template}, {results.size} px crops")
    print(f"speed: per second of one core's time, up to {results.timed} pictures, a warm-up, ", end="")
    print(f"median of {results.repeats} rounds; x base: {' + '.join(results.baseline)} = 1")
    print("errors: % of the inter-ocular distance; scatter: without each point's mean offset on other people;")
    print(f"failed: faces above {100 * results.limit:g} % or without points; AUC: up to that limit; ", end="")
    print("provided: the true box\n")
    _print_table(_pair_rows(results.pairs))
    for title, part in _PARTS.items():
        columns = list(dict.fromkeys(name for pair in results.pairs for name in part(pair)))
        if columns:
            print(f"\nmean error by {title}")
            _print_table(
                [["detector", "extractor", *columns], *(_part_row(pair, part(pair), columns) for pair in results.pairs)]
            )
    for name, why in results.skipped.items():
        print(f"\nnot measured: {name}: {why}")


def _pair_rows(pairs: Sequence[PairResult]) -> list[list[str]]:
    counts = ["n", "no face", "wrong face", "no points"]
    scores = ["mean", "median", "p95", "scatter", "failed %", "AUC", "detect/s", "extract/s", "pair/s", "x base"]
    rows = [["detector", "extractor", *counts, *scores]]
    for pair in pairs:
        rows.append(
            [
                pair.detector,
                pair.extractor,
                *(str(count) for count in (pair.n, pair.no_face, pair.wrong_face, pair.no_points)),
                *(_percent(error) for error in (pair.mean, pair.median, pair.p95, pair.scatter)),
                f"{100 * pair.failed:.1f}",
                f"{pair.auc:.3f}",
                *(_rate(value) for value in (pair.detector_rate, pair.extractor_rate, pair.pair_rate)),
                "-" if pair.relative is None else f"{pair.relative:.2f}",
            ]
        )
    return rows


def _part_row(pair: PairResult, cells: Mapping[str, Cell], columns: Sequence[str]) -> list[str]:
    errors = [_percent(cells[name].error if name in cells else None) for name in columns]
    return [pair.detector, pair.extractor, *errors]


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in aligned columns, the first two to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths, strict=False)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        print("  ".join([*left, *right]))


def _percent(error: float | None) -> str:
    return "-" if error is None else f"{100 * error:.2f}"


def _rate(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
