"""Public functions that take models and their inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from fer_au.batches.preprocess import Preprocessing
from fer_au.models import save_model
from tests.arguments.forms import (
    AS_IT_IS,
    LABELS,
    MAPPINGS,
    NO_LABELS,
    NO_NUMBERS,
    OPENED,
    SIZES,
    WHOLE,
    Kind,
    no_pictures,
    tensor,
)
from tests.arguments.kinds import (
    _ANY,
    CLASSES,
    COUNT,
    FLAG,
    FOLDER,
    LABEL,
    SEED,
    TENSOR_FORMS,
    TEXT,
    Case,
    crops,
    model,
    one_of,
    part,
    world,
)


def batch(count: int) -> torch.Tensor:
    return torch.from_numpy(crops(count, 64)).permute(0, 3, 1, 2).contiguous().float() / 256


NO_TRUST = Kind(AS_IT_IS, [3, b"nets:create", ["nets:create"], Path("nets")])


MODEL = Kind(AS_IT_IS, [None, 3, "models/au", Path("m"), torch.nn.Conv2d(3, 2, 3), {"backbone": "resnet18"}])


INPUT = Kind(
    {
        "tensor": lambda x: x,
        "channels last": lambda x: x.to(memory_format=torch.channels_last),
        "double": lambda x: x.double(),
        "half": lambda x: x.half(),
        "bfloat16": lambda x: x.bfloat16(),
        "with gradient": lambda x: x.clone().requires_grad_(),
        "every other": lambda x: torch.stack([x, x], -1).flatten(3)[..., ::2],
    },
    lambda x: [
        *NO_NUMBERS,
        x.numpy(),
        x[:, :1],
        x.byte(),
        x.permute(0, 2, 3, 1),
        x[..., :0],
        x > 0,
        x * 1j,
        x.to("meta"),
    ],
    (),
    TENSOR_FORMS,
)


TARGET = Kind(
    {
        **{name: form for name, form in WHOLE.items() if name != "masked without a mask"},
        "names": lambda i: [CLASSES[one] for one in i.tolist()],
        "names in capitals": lambda i: np.array([CLASSES[one].upper() for one in i.tolist()], str),
        "synonyms": lambda i: [["happy", "angry"][one] for one in i.tolist()],
    },
    lambda i: (
        [*[one for one in NO_NUMBERS if one is not None], 2, -1, "sadness", ["anger", 0], np.append(i, 0), i + 0.5]
        + ([i + 2] if len(i) else [])
    ),
)


def _predictor(**arguments: Any) -> Any:
    from fer_au import Predictor

    chosen = {"aligned": True, **arguments}
    return Predictor(model(), Preprocessing(image_size=64), device="cpu")(**chosen)


def _saved(**arguments: Any) -> Any:

    return save_model(**{**arguments, "folder": arguments["folder"]})


def _loaded(**arguments: Any) -> Any:
    from fer_au.models import load_base_weights

    return sorted(load_base_weights(**arguments).loaded)


def _forwarded(**arguments: Any) -> Any:
    with torch.no_grad():
        return model()(**arguments).logits


def _cams(**arguments: Any) -> Any:
    from fer_au.cam import CamRun

    return CamRun(model(), batch(2), ["gradcam"]).maps(**arguments)


_CONFIG = {"backbone": "test_resnet", "output_stride": 8}


_CONFIGURATION = Kind(MAPPINGS, [])  # its keys and values are checked as those of params.yaml are


CASES = [
    Case(
        "fer_au.models:create_model",
        lambda n: {"config": _CONFIG, "classes": CLASSES, "seed": 0},
        {
            "config": _CONFIGURATION,
            "classes": Kind(LABELS, [*NO_LABELS, [], ["anger"], ["anger", "happiness"], ["fear", "fear"]]),
            "seed": Kind(SIZES, [one for one in SEED.bad if one is not None]),
        },
        counts=(1,),
    ),
    Case(
        "fer_au.models:FerModel",
        lambda n: {"config": model().config, "classes": CLASSES, "trunk": None},
        {
            "config": Kind(AS_IT_IS, [None, "resnet18", _CONFIG]),
            "classes": LABEL,
            "trunk": Kind(AS_IT_IS, [3, "resnet18", torch.nn.Conv2d(3, 2, 3)]),
        },
        counts=(1,),
    ),
    Case("fer_au.models:FerModel.__call__", lambda n: {"x": batch(n)}, {"x": INPUT}, _forwarded, counts=(0, 2)),
    Case(
        "fer_au.models:FerModel.labels",
        lambda n: {"x": batch(n), "labels": np.arange(n) % 2},
        {"x": INPUT, "labels": Kind(TARGET.good, lambda i: [one for one in TARGET.mistakes(i) if one is not None])},
        _forwarded,
        counts=(2,),
    ),
    Case(
        "fer_au.models:weights_card",
        lambda n: {"choice": "faces", "backbone": "sface"},
        {"choice": TEXT, "backbone": TEXT},
        counts=(1,),
    ),
    Case("fer_au.models:list_backbones", lambda n: {"pattern": "gimefive*"}, {"pattern": TEXT}, counts=(1,)),
    Case(
        "fer_au.models:load_model",
        lambda n: {"folder": world()["model"], "trust": None},
        {"folder": FOLDER, "trust": NO_TRUST},
        counts=(1,),
    ),
    Case(
        "fer_au.models:save_model",
        lambda n: {"folder": world()["out"].with_name("saved"), "model": model(), "meta": {}},
        {"folder": FOLDER, "model": MODEL, "meta": Kind(MAPPINGS, [None, 3, "word", ["a"]])},
        _saved,
        counts=(1,),
    ),
    Case(
        "fer_au.models:load_base_weights",
        lambda n: {"model": model(), "folder": world()["model"]},
        {"folder": FOLDER, "model": MODEL},
        _loaded,
        counts=(1,),
    ),
    Case("fer_au.models:load_pretrained", lambda n: {"model": model()}, {"model": MODEL}, counts=(1,)),
    Case(
        "fer_au.models:resolve_layers",
        lambda n: {"spec": [1, "last"], "layers": ("1", "2"), "owner": "it"},
        {
            "spec": Kind(
                {"list": list, "tuple": tuple, "generator": iter, "numpy": lambda s: np.array(s, object)},
                [None, 1.5, [1.5], [None], {"1"}, True],
                ("layers",),
            ),
            "layers": _ANY,
            "owner": _ANY,
        },
        counts=(1,),
    ),
    Case("fer_au.cam:create_cam", lambda n: {"name": "gradcam"}, {"name": part("CAM")}, counts=(1,)),
    Case(
        "fer_au.cam:resolve_cams",
        lambda n: {"cams": ["gradcam"], "model": model()},
        {
            "cams": Kind(
                {"list": list, "tuple": tuple, "generator": iter, "array": np.array},
                [None, 3, "gradcam", [3], [None], {1}],
                ("CAM",),
            ),
            "model": MODEL,
        },
        counts=(1,),
    ),
    Case(
        "fer_au.cam:compute_cam",
        lambda n: {
            "name": "gradcam",
            "model": model(),
            "x": batch(n),
            "target": np.arange(n) % 2,
            "layer": 2,
            "normalize": True,
        },
        {
            "name": part("CAM"),
            "model": MODEL,
            "x": INPUT,
            "target": TARGET,
            "layer": Kind({"int": int, "text": str, "numpy": np.int64}, [1.5, [1], b"1", {1}]),
            "normalize": FLAG,
        },
        counts=(0, 2),
    ),
    Case(
        "fer_au.cam:CamRun",
        lambda n: {"model": model(), "x": batch(n), "cams": ["gradcam"]},
        {
            "model": MODEL,
            "x": INPUT,
            "cams": Kind({"list": list, "tuple": tuple, "array": np.array}, [None, 3, "gradcam", [3], {1}], ("CAM",)),
        },
        counts=(2,),
    ),
    Case(
        "fer_au.cam:CamRun.maps",
        lambda n: {"target": np.arange(n) % 2, "normalize": True},
        {"target": TARGET, "normalize": FLAG},
        _cams,
        counts=(2,),
    ),
    Case(
        "fer_au.batches:Preprocessing",
        lambda n: {"image_size": 64, "channels": 3, "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.5, 1.0)},
        {
            "image_size": COUNT,
            "channels": Kind(SIZES, [0, 2, "3", None, True]),
            "mean": Kind(
                {"tuple": tuple, "list": list, "array": np.array, "tensor": torch.tensor},
                [None, 0.5, "abc", (1, 2), [None] * 3, {1, 2, 3}],
            ),
            "std": Kind(
                {"tuple": tuple, "list": list, "array": np.array}, [None, 0.5, "abc", (1, 2), (0, 1, 1), (-1, 1, 1)]
            ),
        },
        counts=(1,),
    ),
    Case(
        "fer_au.batches:Preprocessing.__call__",
        lambda n: {"images": torch.from_numpy(crops(n, 64)).permute(0, 3, 1, 2)},
        {
            "images": Kind(
                {
                    "bytes": lambda t: t,
                    "whole": lambda t: t.long(),
                    "floats": lambda t: t / 255,
                    "contiguous": lambda t: t.contiguous(),
                },
                lambda t: [
                    *NO_NUMBERS,
                    t.numpy(),
                    t.permute(0, 2, 3, 1),
                    t[:, :1],
                    t > 1,
                    *([t.float(), t.long() + 999] if len(t) else []),
                ],
            )
        },
        lambda **arguments: Preprocessing(64)(**arguments),
        counts=(0, 2),
    ),
    Case(
        "fer_au:Predictor",
        lambda n: {"model": model(), "preprocess": Preprocessing(64), "aligner": None, "device": "cpu"},
        {
            "model": MODEL,
            "preprocess": Kind(AS_IT_IS, [None, 64, {"image_size": 64}]),
            "aligner": Kind(AS_IT_IS, ["loose", 3, {}]),
            "device": Kind({"text": str, "device": torch.device}, ["gpu", 3, b"cpu", ["cpu"], "cuda:99"]),
        },
        counts=(1,),
    ),
    Case(
        "fer_au:Predictor.load",
        lambda n: {"folder": world()["model"], "device": "cpu", "trust": None},
        {
            "folder": FOLDER,
            "device": Kind({"text": str, "device": torch.device}, ["gpu", 3, ["cpu"]]),
            "trust": NO_TRUST,
        },
        counts=(1,),
    ),
    Case("fer_au:open_project", lambda n: {"folder": world()["params"].parent}, {"folder": FOLDER}, counts=(1,)),
    Case(
        "fer_au:Predictor.__call__",
        lambda n: {"images": crops(n), "aligned": True, "faces": "one", "batch_size": 2},
        {
            "images": Kind(
                {
                    **{
                        name: form
                        for name, form in WHOLE.items()
                        if name not in ("table's column", "masked without a mask")
                    },
                    "Pillow images": lambda c: [OPENED["Pillow image"](one) for one in c],
                    "list of lists": lambda c: [one.tolist() for one in c],
                    "mixed": lambda c: [tensor(one) if i % 2 else one for i, one in enumerate(c)],
                },
                lambda c: [
                    None,
                    3,
                    b"x",
                    {"a": 1},
                    {1},
                    [None],
                    [b"x"],
                    [3],
                    *(no_pictures(c[0]) if len(c) else []),
                    c / 255,
                    c[:, :5] if len(c) else None,
                ],
            ),
            "aligned": FLAG,
            "faces": one_of("one", "all"),
            "batch_size": COUNT,
        },
        _predictor,
        counts=(0, 2),
    ),
]
