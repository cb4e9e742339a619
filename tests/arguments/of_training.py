"""Public functions that pull attention to maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tests.arguments.forms import (
    AS_IT_IS,
    LABELS,
    LISTS,
    NO_LABELS,
    NO_NUMBERS,
    NUMBERS,
    STRIDES,
    TENSORS,
    Kind,
    tensor,
)
from tests.arguments.kinds import (
    CLASSES,
    CODEBOOK,
    COUNT,
    KNOWN,
    MAPS,
    POINTS,
    Case,
    crops,
    faces,
    labels,
    maps,
    one_of,
    part,
)


def _lost(**arguments: Any) -> Any:
    from fer_au.training import create_loss

    return create_loss("cosine")(**arguments)


def _net() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, stride=16), torch.nn.Flatten(), torch.nn.Linear(1176, 2))


def _guided(**arguments: Any) -> Any:
    from fer_au.training import AttentionGuidance

    guide = AttentionGuidance(**arguments)
    arguments["model"](torch.from_numpy(crops(2, 224)).permute(0, 3, 1, 2) / 256)
    loss = guide(labels=CLASSES, points=faces(2))
    guide.remove()
    return loss


def _pulled(**arguments: Any) -> Any:
    from fer_au.training import AttentionGuidance

    net = _net()
    guide = AttentionGuidance(net, "0")
    net(torch.from_numpy(crops(2, 224)).permute(0, 3, 1, 2) / 256)
    return guide(**arguments)


CASES = [
    Case(
        "fer_au.training:AttentionGuidance",
        lambda n: {
            "model": _net(),
            "layers": ["0"],
            "cue": "au",
            "loss": "cosine",
            "weight": 4.0,
            "classes": list(CLASSES),
            "source": "features",
            "codebook": "corrected",
            "geometry": "corrected",
            "map_size": 28,
            "resize": "corrected",
        },
        {
            "model": Kind(AS_IT_IS, [None, 3, "models/au", np.zeros(3), torch.nn.DataParallel(_net())]),
            "layers": Kind({"list": list, "tuple": tuple}, [None, 3, [], [0], ["0", "0"], "layer4", ["0", None]]),
            "cue": part("cue"),
            "loss": part("loss"),
            "weight": Kind({"whole": int, "numpy": np.float32}, [None, "4", 0, -1.0, float("nan"), float("inf"), True]),
            "classes": Kind(LABELS, [one for one in NO_LABELS if one is not None], ("labels", "classes")),
            "source": one_of("features", "cam", "module"),
            "codebook": CODEBOOK,
            "geometry": part("geometry"),
            "map_size": COUNT,
            "resize": one_of("corrected", "published"),
        },
        _guided,
        counts=(2,),
    ),
    Case(
        "fer_au.training:AttentionGuidance.__call__",
        lambda n: {"labels": labels(n), "points": faces(n)},
        {"labels": KNOWN, "points": POINTS},
        _pulled,
        counts=(2,),
    ),
    Case(
        "fer_au.training:AttentionGuidance.__call__",
        lambda n: {"maps": maps(n), "valid": np.arange(n) % 2 == 0},
        {
            "maps": Kind(NUMBERS, lambda m: [*MAPS.mistakes(m), m + 1, -m - 1, (255 * m).astype(np.uint8)]),
            "valid": Kind(
                {**STRIDES, **LISTS, **TENSORS},
                lambda v: [*(one for one in NO_NUMBERS if one is not None), v.astype(float)],
            ),
        },
        _pulled,
        counts=(2,),
    ),
    Case("fer_au.training:create_loss", lambda n: {"name": "cosine"}, {"name": part("loss")}, counts=(1,)),
    Case(
        "fer_au.training:create_loss.__call__",
        lambda n: {
            "attention": tensor(maps(n)).float(),
            "target": maps(n, 3),
            "valid": np.arange(n) % 2 == 0,
            "known": maps(n, 4),
        },
        {
            "attention": Kind(
                {
                    "tensor": lambda t: t,
                    "half": lambda t: t.half(),
                    "bfloat16": lambda t: t.bfloat16(),
                    "double": lambda t: t.double(),
                    "with gradient": lambda t: t.clone().requires_grad_(),
                },
                lambda t: [*NO_NUMBERS, t.numpy(), t[:, 0], t.int(), t > 0],
            ),
            "target": Kind(
                {**NUMBERS},
                lambda m: [
                    *MAPS.mistakes(m),
                    np.zeros((len(m), 5, 6)),
                    *([(m * 255).astype(np.uint8)] if len(m) else []),
                ],
            ),
            "valid": Kind(
                {**STRIDES, **LISTS, **TENSORS},
                lambda v: [*NO_NUMBERS, np.append(v, True), *([v.astype(float)] if len(v) else [])],
            ),
            "known": Kind(NUMBERS, lambda m: [one for one in MAPS.mistakes(m) if one is not None]),
        },
        _lost,
    ),
]
