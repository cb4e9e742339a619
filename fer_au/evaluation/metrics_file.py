"""Write and read an experiment's metrics: flat keys with dots, so that ``dvc metrics diff`` reads well.

``metrics/<exp>.json`` holds the headline, which stays readable for fifty experiments side by side, and
``metrics/detail/<exp>.json`` all other keys. ``read_metrics`` gives both as one mapping.
"""

from __future__ import annotations

import json
import math
import platform
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from fer_au.atomic import write_atomically
from fer_au.errors import DataError
from fer_au.machine import cpu_name
from fer_au.version import __version__

if TYPE_CHECKING:
    import torch

Metric = float | int | str | None

HEADLINE = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "att_cos",
    "att_ccos",
    "att_auc",
    "att_cos_moved",
    "att_ccos_moved",
    "att_specificity",
    "cam_cos.<cam>",
    "cam_ccos.<cam>",
    "region.<region>",
    "faithfulness.deletion",
    "faithfulness.insertion",
    "baseline.blank.att_cos",
    "baseline.class_mean.att_cos",
    "baseline.class_mean.att_ccos",
    "ceiling.att_cos",
    "ceiling.att_ccos",
    "n",
    "n_cos",
    "selected_on",
    "seed",
    "train_images_per_second",
)
"""Keys of ``metrics/<exp>.json``, results and the references needed to read them; ``<...>`` stands for any name."""

_DIGITS = 6


def is_headline(key: str) -> bool:
    """Tell whether a metric belongs to the headline.

    Example:
        >>> is_headline("att_cos"), is_headline("layer.3.att_cos")
        (True, False)
    """
    return any(match_key(template, key) is not None for template in HEADLINE)


def match_key(template: str, key: str) -> tuple[str, ...] | None:
    """Match a key with a template such as ``cam_cos.<cam>``.

    Returns:
        The names that stand in the places of ``<...>``; None for another key.

    Example:
        >>> match_key("cam_cos.<cam>", "cam_cos.native"), match_key("n", "n"), match_key("n", "n_cos")
        (('native',), (), None)
    """
    match = re.fullmatch(re.sub("<[^>]*>", "(.+)", re.escape(template)), key)
    return match.groups() if match else None


def detail_path(path: Path) -> Path:
    """Find the detail file that belongs to a headline file.

    Example:
        >>> detail_path(Path("metrics/au.json")).as_posix(), detail_path(Path("metrics/cross/au.json")).as_posix()
        ('metrics/detail/au.json', 'metrics/detail/cross/au.json')
    """
    folder = path.parent
    return folder.parent / "detail" / "cross" / path.name if folder.name == "cross" else folder / "detail" / path.name


def write_metrics(path: Path, metrics: Mapping[str, Metric], detail: Path | None = None) -> None:
    """Write the headline and all other metrics into their two files, each of them whole or not at all.

    Args:
        path: ``metrics/<exp>.json``, for the headline.
        metrics: All metrics.
        detail: File for the other metrics; default ``detail_path(path)``.

    Raises:
        StoreError: A file can't be written.
        TypeError: A value is not a plain number, string or None.
    """
    texts = {
        detail or detail_path(path): metrics_text({key: metrics[key] for key in metrics if not is_headline(key)}),
        path: metrics_text({key: metrics[key] for key in metrics if is_headline(key)}),
    }
    for target, text in texts.items():
        write_atomically(target, text.encode())


def metrics_text(metrics: Mapping[str, Metric]) -> str:
    """Render metrics as JSON: sorted keys, floats rounded to 6 decimals, undefined (NaN, infinite) as null.

    Raises:
        TypeError: A value is not a plain number, string or None (a nested mapping, an array).
    """
    return json.dumps({key: _plain(key, metrics[key]) for key in sorted(metrics)}, indent=2, allow_nan=False) + "\n"


def read_metrics(path: Path, detail: Path | None = None) -> dict[str, Metric]:
    """Read all metrics of an experiment: its headline and its details.

    Args:
        path: ``metrics/<exp>.json``.
        detail: File of the other metrics; default ``detail_path(path)``.

    Returns:
        Key -> value, sorted by key.

    Raises:
        DataError: A file is missing, is not a flat JSON object of numbers, strings and nulls, or both hold one key.
    """
    headline, others = read_metrics_file(path), read_metrics_file(detail or detail_path(path))
    if twice := sorted(headline.keys() & others.keys()):
        raise DataError(f"{detail or detail_path(path)}: {twice[0]!r} is in {path} as well; evaluate the model again")
    return dict(sorted((headline | others).items()))


def read_metrics_file(path: Path) -> dict[str, Metric]:
    """Read one file of metrics.

    Raises:
        DataError: It is missing, or not a flat JSON object of numbers, strings and nulls.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a metrics file: {error}") from error
    if not isinstance(content, dict) or any(isinstance(value, dict | list) for value in content.values()):
        raise DataError(f"{path}: not a flat metrics file")
    return content


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
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return round(float(value), _DIGITS) if math.isfinite(value) else None
    raise TypeError(f"metric {key!r} is a {type(value).__name__}, not a number or a string")
