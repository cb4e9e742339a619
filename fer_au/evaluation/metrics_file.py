"""Write and read an experiment's metrics: flat keys with dots, so that ``dvc metrics diff`` reads well.

``metrics/<exp>.json`` holds the headline, which stays readable for fifty experiments side by side, and
``metrics/detail/<exp>.json`` all other keys. ``read_metrics`` gives both as one mapping. The detail file, which no
table of DVC shows, also holds the sha256 of both files, of the evaluation's columns, and of the model's weights: they
belong together.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from fer_au.answers import describe
from fer_au.arguments import check_type, plain, read_path, read_text
from fer_au.atomic import write_atomically
from fer_au.errors import ArgumentError, DataError
from fer_au.gate import SETTINGS, read_bytes, read_json
from fer_au.glossary import match_key
from fer_au.machine import cpu_name
from fer_au.sealed_json import how_to_restore, is_sealed, open_sealed, seal_json
from fer_au.version import __version__

if TYPE_CHECKING:
    import torch

Metric = float | int | str | None

HEADLINE = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "ece",
    "att_cos",
    "att_ccos",
    "att_auc",
    "att_class_rank",
    "att_ccos_moved",
    "att_specificity",
    "module.att_ccos",
    "module.att_class_rank",
    "cam_cos.<cam>",
    "cam_ccos.<cam>",
    "cam_region.background.<cam>",
    "region.background",
    "cam_skipped.<cam>",
    "faithfulness.deletion",
    "faithfulness.insertion",
    "background_reliance",
    "baseline.blank.att_cos",
    "baseline.gaussian.att_ccos",
    "baseline.face.att_ccos",
    "baseline.generic.att_ccos",
    "baseline.class_mean.att_ccos",
    "ceiling.att_ccos",
    "n",
    "n_cos",
    "seen_in_training",
    "selected_on",
    "resize",
    "mirrored",
    "seed",
    "train_images_per_second",
)
"""Keys of ``metrics/<exp>.json``, results and the references needed to read them; ``<...>`` stands for any name."""

CLASS_BLIND = ("blank", "gaussian", "face", "generic")
"""Baselines that don't know the class: what looks at action units has to beat all of them."""

BELOW = ("cross", "external")
"""Folders below ``metrics`` whose files are of no experiment on its own data set."""

_DIGITS = 6
_HEADLINE, _EVALUATION, _MODEL = "sha256.headline", "sha256.evaluation", "sha256.model"


def interval_metrics(key: str, low: float, high: float) -> dict[str, Metric]:
    """Name the ends of a metric's 95 % interval: ``interval.<key>.low`` and ``.high``."""
    return {f"interval.{key}.low": low, f"interval.{key}.high": high}


def read_number(metrics: Mapping[str, Metric], key: str) -> float:
    """Read a metric as a float; NaN where it is absent, undefined or text."""
    value = metrics.get(key)
    return float(value) if isinstance(value, int | float) else math.nan


def read_interval(metrics: Mapping[str, Metric], key: str) -> tuple[float, float]:
    """Read the ends of a metric's 95 % interval; NaN where they are absent or undefined."""
    return read_number(metrics, f"interval.{key}.low"), read_number(metrics, f"interval.{key}.high")


def is_headline(key: str) -> bool:
    """Tell whether a metric belongs to the headline.

    Example:
        >>> is_headline("att_cos"), is_headline("layer.3.att_cos")
        (True, False)
    """
    return any(match_key(template, key) is not None for template in HEADLINE)


def detail_path(path: Path) -> Path:
    """Find the detail file that belongs to a headline file.

    Example:
        >>> detail_path(Path("metrics/au.json")).as_posix(), detail_path(Path("metrics/cross/au.json")).as_posix()
        ('metrics/detail/au.json', 'metrics/detail/cross/au.json')
    """
    folder = path.parent
    below = folder.name in BELOW
    return folder.parent / "detail" / folder.name / path.name if below else folder / "detail" / path.name


def write_metrics(
    path: Path,
    metrics: Mapping[str, Metric],
    detail: Path | None = None,
    evaluation: str | None = None,
    model: str | None = None,
) -> None:
    """Write the headline and all other metrics into their two files, each of them whole or not at all.

    Args:
        path: ``metrics/<exp>.json``, for the headline.
        metrics: All metrics.
        detail: File for the other metrics; default ``detail_path(path)``.
        evaluation: ``content_sha256`` of the store with the scores of the single images, if there is one.
        model: ``weights_sha256`` of the model that was scored, if it is known.

    Raises:
        StoreError: A file can't be written.
        ArgumentError: A value is no number, text or None, or an argument something else.
    """
    path = read_path("path", path)
    detail = detail_path(path) if detail is None else read_path("detail", detail)
    check_type("metrics", metrics, Mapping, "a mapping of keys to numbers, texts and None")
    for key in metrics:
        check_type("metrics: key", key, str, "a text")
    headline = metrics_text({key: metrics[key] for key in metrics if is_headline(key)}).encode()
    others = {key: _plain(key, metrics[key]) for key in sorted(metrics) if not is_headline(key)}
    digests = {_HEADLINE: hashlib.sha256(headline).hexdigest()}
    digests |= {key: own for key, own in ((_EVALUATION, evaluation), (_MODEL, model)) if own}
    write_atomically(detail, seal_json(others | digests))
    write_atomically(path, headline)


def metrics_text(metrics: Mapping[str, Metric]) -> str:
    """Render metrics as JSON: sorted keys, floats rounded to 6 decimals, undefined (NaN, infinite) as null.

    Raises:
        ArgumentError: A value is no number, text or None (a nested mapping, an array).
    """
    return json.dumps({key: _plain(key, metrics[key]) for key in sorted(metrics)}, indent=2, allow_nan=False) + "\n"


def number_text(value: Metric) -> str:
    """Write a metric for a reader, with three decimals; one of no image is undefined."""
    return "undefined" if value is None or math.isnan(float(value)) else f"{float(value):.3f}"


def read_metrics(
    path: Path, detail: Path | None = None, evaluation: str | None = None, model: str | None = None
) -> dict[str, Metric]:
    """Read all metrics of an experiment: its headline and its details, if they are as they were written.

    Args:
        path: ``metrics/<exp>.json``.
        detail: File of the other metrics; default ``detail_path(path)``.
        evaluation: ``content_sha256`` of the store that lies beside them, if there is one.
        model: ``weights_sha256`` of the model that they must be of; default any.

    Returns:
        Key -> value, sorted by key.

    Raises:
        DataError: A file is missing, damaged, or of another evaluation or model, is not a flat JSON object of numbers,
            strings and nulls, or both hold one key.
    """
    path = read_path("path", path)
    detail = detail_path(path) if detail is None else read_path("detail", detail)
    if evaluation is not None:
        evaluation = read_text("evaluation", evaluation, "a content_sha256, or None")
    if model is not None:
        model = read_text("model", model, "a weights_sha256, or None")
    headline, (others, digests) = read_metrics_file(path), _read(detail)
    if _HEADLINE not in digests:
        raise DataError(f"{detail}: it doesn't end with its sha256; {_remedy(detail)}")
    if hashlib.sha256(read_bytes(path, SETTINGS)).hexdigest() != digests[_HEADLINE]:
        raise DataError(f"{path}: damaged, or of another evaluation than {detail}; {_remedy(path)}")
    if evaluation is not None and digests.get(_EVALUATION, evaluation) != evaluation:
        raise DataError(f"{path}: of another evaluation than the scores of single images; {_remedy(path)}")
    if model is not None and digests.get(_MODEL, model) != model:
        raise DataError(f"{path}: of another model than the one that lies there now; {_remedy(path)}")
    if twice := sorted(headline.keys() & others.keys()):
        raise DataError(f"{detail}: {twice[0]!r} is in {path} as well; evaluate the model again")
    return dict(sorted((headline | others).items()))


def read_metrics_file(path: Path) -> dict[str, Metric]:
    """Read one file of metrics.

    Raises:
        DataError: It is missing, damaged, or not a flat JSON object of numbers, strings and nulls.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[dict[str, Metric], dict[str, str]]:
    """Read the metrics of a file, and the digests of a detail file."""
    try:
        data = read_bytes(path, SETTINGS)
        content = open_sealed(data) if is_sealed(data) else read_json(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        fault = str(error) if isinstance(error, ValueError) and is_sealed(data) else f"not a metrics file: {error}"
        raise DataError(f"{path}: {fault}; {_remedy(path)}") from error
    if not isinstance(content, dict) or any(isinstance(value, dict | list) for value in content.values()):
        raise DataError(f"{path}: not a flat metrics file")
    digests = {
        key: str(content.pop(key)) for key in (_HEADLINE, _EVALUATION, _MODEL) if key in content and is_sealed(data)
    }
    return content, digests


def _remedy(path: Path) -> str:
    return how_to_restore(path, "evaluate the model again")


def environment_metrics(device: torch.device, precision: str) -> dict[str, str]:
    """List versions and hardware of a run as ``environment.*``.

    Args:
        device: Device of the evaluation.
        precision: Numeric precision of the training.
    """
    import torch

    return {
        "environment.python": platform.python_version(),
        "environment.torch": str(torch.__version__),
        "environment.timm": version("timm"),
        "environment.fer_au": __version__,
        "environment.device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "environment.precision": precision,
        "environment.cpu": cpu_name(),
    }


def _plain(key: str, value: object) -> Metric:
    value = plain(value)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return round(float(value), _DIGITS) if math.isfinite(value) else None
    raise ArgumentError(f"metrics[{key!r}]: expected a number, a text or None, got {describe(value)}")
