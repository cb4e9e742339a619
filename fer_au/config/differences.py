"""Compare two versions of a section of ``params.yaml`` as the stages understand them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fer_au.config.reading import StrictModel, examine


def find_differences(model: type[StrictModel] | None, now: object, then: object, prefix: str) -> list[str]:
    """List the keys whose values differ; a default that is written out is no difference.

    Args:
        model: Model of the section; None compares what is written.
        now: One version, plain data.
        then: The other version. If either has faults, as one of an earlier release may, both count as they are written.
        prefix: Path of the section, such as ``train``.

    Returns:
        Dotted paths.

    Example:
        >>> from fer_au.config.experiments import TrainConfig
        >>> find_differences(TrainConfig, {"epochs": 8, "optimizer": {"lr": 0.1}}, {}, "train")
        ['train.optimizer.lr']
    """
    now, then = now or {}, then or {}
    if model is not None:
        built = [examine(model, one, prefix, unread=True)[0] for one in (now, then)]
        if built[0] is not None and built[1] is not None:
            now, then = built[0].model_dump(mode="json"), built[1].model_dump(mode="json")
    return list(_differing(now, then, prefix))


def _differing(now: object, then: object, path: str) -> Iterator[str]:
    """Go down as far as both have the same form."""
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        for key in dict.fromkeys([*now, *then]):
            if key in now and key in then:
                yield from _differing(now[key], then[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        for place, pair in enumerate(zip(now, then, strict=True)):
            yield from _differing(*pair, f"{path}.{place}")
    elif now != then:
        yield path


def mapping(value: object) -> Mapping[str, Any]:
    """Give plain data as a mapping; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}
