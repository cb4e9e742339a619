"""Write and read the results of the landmark benchmark, ``python -m benchmarks.landmarks``, which the report shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from fer_au.atomic import write_atomically
from fer_au.config.reading import StrictModel
from fer_au.errors import DataError
from fer_au.gate import read_text

RESULTS = Path("benchmarks/results/landmarks.json")
"""File that the benchmark writes and the report reads, below the project's root."""

COMMAND = "python -m benchmarks.landmarks"

FLOOR = "mean-shape"
"""Extractor that looks at no pixel, and that a real extractor must beat."""

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Cell(StrictModel):
    """Mean error over a part of the faces or points.

    Attributes:
        n: Number of faces.
        error: Mean error in inter-ocular distances; None without faces.
    """

    n: Count
    error: Size | None


class PairResult(StrictModel):
    """Results of one detector with one extractor.

    Errors are in inter-ocular distances, over the faces whose points were found.

    Attributes:
        detector: Name of the detector.
        extractor: Name of the extractor.
        n: Number of faces.
        no_face: Number of faces that the detector did not find.
        wrong_face: Number of faces in whose place the detector took something else.
        no_points: Number of faces for which the extractor gave no points.
        mean: Mean over the faces of a face's mean error over the 68 points.
        median: Median of the faces' mean errors.
        p95: 95th percentile of the faces' mean errors.
        failed: Share of all faces whose mean error is above the limit, faces without points included.
        auc: Area below the cumulative distribution of the mean errors from 0 to the limit, as a share of the whole;
            faces without points count as infinitely wrong.
        scatter: Mean error after the mean offset of each point, as seen on all other people, is taken off: what remains
            if a mere difference of convention is forgiven.
        by_region: Mean error of the points of each part of the face.
        by_expression: Mean error of the faces of each expression.
        by_yaw: Mean error of the faces in each range of |yaw|; empty where the data set knows no pose.
        detector_rate: Pictures that the detector searches per second of one core.
        extractor_rate: Crops per second of one core, looks from shifted boxes included where no detector vouches.
        pair_rate: Pictures per second of one core from pixels to points: detector, fit of the template, warp,
            extractor.
        relative: ``pair_rate`` as a multiple of the baseline pair's.
    """

    detector: str
    extractor: str
    n: Count
    no_face: Count
    wrong_face: Count
    no_points: Count
    mean: Size | None
    median: Size | None
    p95: Size | None
    failed: Share
    auc: Share
    scatter: Size | None
    by_region: dict[str, Cell]
    by_expression: dict[str, Cell]
    by_yaw: dict[str, Cell]
    detector_rate: Size
    extractor_rate: Size
    pair_rate: Size
    relative: Size | None


class ExtractorNote(StrictModel):
    """Facts from an extractor's card that a lab must know before it uses the extractor."""

    summary: str
    origin: str
    licence: str
    training_data: str
    limits: str


class LandmarkResults(StrictModel):
    """Results of one run of the benchmark.

    Attributes:
        format: Kind and version of the file.
        source: Description of the faces.
        images: Number of pictures.
        people: Number of persons; 0 if unknown.
        keypoints: Value of ``align.keypoints`` in the run.
        template: Value of ``align.template`` in the run.
        size: Value of ``align.size`` in the run.
        limit: Mean error above which a face has failed.
        wrong_face_iou: Overlap with the true box below which a found box is another face.
        baseline: Detector and extractor that speeds are compared with.
        timed: Number of pictures per timing; fewer for a slow detector.
        repeats: Number of timings of which the median is given.
        processor: Name of the processor.
        cores: Number of its cores.
        load: Load of the machine at the start.
        versions: Package -> version.
        pairs: Results of the pairs.
        skipped: Detector or extractor that could not run -> reason.
        extractors: Extractor -> facts from its card.
    """

    format: Literal["fer_au.landmark_benchmark/1"] = "fer_au.landmark_benchmark/1"
    source: str
    images: Count
    people: Count
    keypoints: str
    template: str
    size: Count
    limit: Size
    wrong_face_iou: Share
    baseline: tuple[str, str]
    timed: Count
    repeats: Count
    processor: str
    cores: Count
    load: Size
    versions: dict[str, str]
    pairs: tuple[PairResult, ...]
    skipped: dict[str, str]
    extractors: dict[str, ExtractorNote]


def write_results(path: Path, results: LandmarkResults) -> None:
    """Write a run in one step: a killed one leaves the old file.

    Raises:
        StoreError: The file can't be written.
    """
    write_atomically(path, f"{results.model_dump_json(indent=1)}\n".encode())


def read_results(path: Path) -> LandmarkResults | None:
    """Read a run; None if there is none yet.

    Raises:
        DataError: The file is damaged or of another version; the message names it.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    try:
        return LandmarkResults.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DataError(f"{path}: {where}: {first['msg']}; run {COMMAND} again") from error
