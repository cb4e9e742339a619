"""Public functions that take maps, cues and scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from tests.arguments.forms import (
    MAPPINGS,
    NO_NUMBERS,
    NO_PATHS,
    NO_SIZES,
    NO_TEXTS,
    NUMBERS,
    PATHS,
    SIZES,
    TENSORS,
    WHOLE,
    WORDS,
    Kind,
)
from tests.arguments.kinds import (
    _ANY,
    CODEBOOK,
    COUNT,
    FLAG,
    LABEL,
    MAPS,
    PATH,
    POINTS,
    SEED,
    SIZE,
    TEXT,
    Case,
    _written,
    faces,
    labels,
    maps,
    part,
    world,
)

FRAMED = replace(POINTS, bad=lambda p: [*POINTS.mistakes(p), *([p / 256, p + 2000, p / 100 + 50] if len(p) else [])])


SCORES = Kind(NUMBERS, lambda s: [*NO_NUMBERS, np.append(s, [1.0] * 7)], ("labels", "b"))


INDICES = Kind(
    WHOLE, lambda i: [*NO_NUMBERS, [99] * len(i), [-1] * (len(i) + 1), np.append(i, 0.5)], (), frozenset(TENSORS)
)


def _rendered(**arguments: Any) -> Any:
    from fer_au.cues import FaceBatch, create_cue

    return create_cue("au").render(FaceBatch(**arguments))


def _bootstrapped(**arguments: Any) -> Any:
    from fer_au.evaluation import paired_bootstrap

    return paired_bootstrap(**{"n": 20, **arguments})


_SIDES = Kind(
    {**SIZES, "pair": lambda s: (s, s), "list": lambda s: [s, s], "array": lambda s: np.array([s, s])},
    [*[one for one in NO_SIZES if not isinstance(one, list)], (224,), (224, 0), (1, 2, 3), 22400],
)


CASES = [
    Case(
        "fer_au.cues:render_au_maps",
        lambda n: {
            "points": faces(n),
            "labels": labels(n),
            "image_size": 224,
            "map_size": 7,
            "codebook": "paper",
            "geometry": "corrected",
        },
        {
            "points": FRAMED,
            "labels": LABEL,
            "image_size": SIZE,
            "map_size": COUNT,
            "codebook": CODEBOOK,
            "geometry": part("geometry"),
        },
        leads="points",
    ),
    Case(
        "fer_au.cues:FaceBatch",
        lambda n: {
            "points": faces(n),
            "labels": labels(n),
            "image_size": 224,
            "map_size": 7,
            "columns": {},
            "attributes": {},
        },
        {
            "points": POINTS,
            "labels": LABEL,
            "image_size": SIZE,
            "map_size": COUNT,
            "columns": Kind(MAPPINGS, [None, 3, "word", {"a": 3}, {"a": np.zeros(99)}]),
            "attributes": _ANY,
        },
        _rendered,
        "points",
    ),
    *(
        Case(f"fer_au.cues:{name}", lambda n: {"name_or_path": "paper"}, {"name_or_path": CODEBOOK}, counts=(1,))
        for name in ("create_codebook", "load_codebook")
    ),
    Case(
        "fer_au.cues:create_cue",
        lambda n: {"name": "au", "codebook": "paper", "geometry": "paper"},
        {"name": part("cue"), "codebook": CODEBOOK, "geometry": part("geometry")},
        counts=(1,),
    ),
    Case("fer_au.cues:create_geometry", lambda n: {"name": "paper"}, {"name": part("geometry")}, counts=(1,)),
    *(
        Case(
            f"fer_au.evaluation:{name}",
            lambda n: {"maps": maps(n), "targets": maps(n, 3)},
            {"maps": MAPS, "targets": MAPS},
            leads="maps",
        )
        for name in ("cosine_alignment", "centered_cosine")
    ),
    Case(
        "fer_au.evaluation:map_auc",
        lambda n: {"maps": maps(n), "targets": maps(n, 3), "level": 0.5},
        {
            "maps": MAPS,
            "targets": MAPS,
            "level": Kind(
                {"float": float, "numpy": np.float32, "array": np.array}, [None, "a", 0, -1, 2, float("nan"), True, [1]]
            ),
        },
        leads="maps",
    ),
    Case(
        "fer_au.evaluation:region_attention",
        lambda n: {"maps": maps(n), "points": faces(n), "image_size": 224},
        {"maps": MAPS, "points": FRAMED, "image_size": _SIDES},
        leads="maps",
        counts=(0, 2),
    ),
    *(
        Case(
            f"fer_au.evaluation:{name}",
            lambda n: {"scores": np.arange(n) / 8, "labels": labels(n), "neutral": False},
            {"scores": SCORES, "labels": LABEL, "neutral": FLAG},
        )
        for name in ("expression_means", "macro_mean")
    ),
    Case(
        "fer_au.evaluation:confusion_matrix",
        lambda n: {"truth": np.arange(n) % 2, "predicted": np.zeros(n, np.int64), "classes": 2},
        {"truth": INDICES, "predicted": Kind(WHOLE, INDICES.bad), "classes": COUNT},
        leads="truth",
    ),
    Case(
        "fer_au.evaluation:paired_bootstrap",
        lambda n: {"a": np.arange(n) / 8, "b": np.zeros(n), "n": 20, "seed": 1, "strata": labels(n), "level": 0.5},
        {
            "a": SCORES,
            "b": SCORES,
            "n": COUNT,
            "seed": SEED,
            "strata": Kind(
                {"list": list, "tuple": tuple, "generator": iter, "array": np.array},
                ["word", b"x", 3, {1}, {"a": 1}, ["a"] * 99],
            ),
            "level": Kind({"float": float, "numpy": np.float32}, [None, "a", 0, -1, 2, float("nan"), True]),
        },
        _bootstrapped,
    ),
    Case(
        "fer_au.evaluation:read_metrics",
        lambda n: {
            "path": world()["metrics"],
            "detail": world()["metrics"].parent / "detail/au.json",
            "evaluation": "0" * 64,
            "model": "0" * 64,
        },
        {
            "path": PATH,
            "detail": Kind(PATHS, [one for one in NO_PATHS if one is not None]),
            **dict.fromkeys(("evaluation", "model"), Kind(WORDS, [one for one in NO_TEXTS if one is not None])),
        },
        counts=(1,),
    ),
    Case(
        "fer_au.evaluation:write_metrics",
        lambda n: {"path": world()["out"], "metrics": {"accuracy": 0.5}, "detail": world()["out"].with_name("detail")},
        {
            "path": PATH,
            "detail": Kind(PATHS, [one for one in NO_PATHS if one is not None]),
            "metrics": Kind(
                {
                    **MAPPINGS,
                    "numpy": lambda m: {"accuracy": np.float32(0.5)},
                    "tensor": lambda m: {"accuracy": torch.tensor(0.5)},
                },
                [None, 3, "a", ["a"], {3: 1}, {"a": [1]}, {"a": np.zeros(2)}, {"a": object()}],
            ),
        },
        _written("fer_au.evaluation", "write_metrics"),
        counts=(1,),
    ),
    Case("fer_au.expressions:parse_expression", lambda n: {"text": "Happy"}, {"text": TEXT}, counts=(1,)),
]
