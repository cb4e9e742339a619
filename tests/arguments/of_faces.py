"""Public functions that take pictures, faces and landmarks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.arguments.forms import (
    AS_IT_IS,
    FLOATS,
    LISTS,
    NO_COUNTS,
    NO_NUMBERS,
    NO_SIZES,
    NO_TEXTS,
    NO_WORDS,
    NUMBERS,
    OPENED,
    PICTURES,
    SIZES,
    STRIDES,
    TENSORS,
    WHOLE,
    WORDS,
    Kind,
    no_pictures,
)
from tests.arguments.kinds import (
    COUNT,
    FLAG,
    FOLDER,
    PATH,
    POINTS,
    TEXT,
    Case,
    _written,
    crops,
    faces,
    one_of,
    part,
    world,
)

BOXES = Kind({**STRIDES, **LISTS, **TENSORS, **FLOATS}, lambda b: [*NO_NUMBERS, b[:, :3], np.append(b, b, 0)])


PICTURE = Kind({**PICTURES, **OPENED}, lambda p: [None, 3, b"x", {1}, *no_pictures(p)])


HINT = Kind(
    {**STRIDES, **LISTS, **TENSORS},
    lambda b: [*[one for one in NO_NUMBERS if one is not None], b[:3], b[::-1], b * np.nan, [b, b]],
)


def _extracted(name: str) -> Callable[..., Any]:
    def call(**arguments: Any) -> Any:
        from fer_au.landmarks import create_extractor

        return create_extractor(name).extract(**arguments)

    return call


def _detected(**arguments: Any) -> Any:
    from fer_au.faces import create_detector

    return create_detector("provided").detect(**arguments)


def _place() -> Any:
    from fer_au.faces.placing import Place

    return Place(0.5, 0.4, 1.2)


def _aligned(**arguments: Any) -> Any:
    from fer_au.faces import Aligner

    return Aligner("whole-image", "detector", size=32)(**arguments)


def _rows(count: int) -> list[Any]:
    from fer_au.datasets import read_manifest

    return read_manifest(world()["data"] / "manifest.csv")[:count]


_GREY = Kind(PICTURES, lambda p: [one for one in no_pictures(p) if np.ndim(one) != 2])  # grey is taken, too


_BOX = np.array([4.0, 4.0, 40.0, 40.0])


@cache
def _jpeg() -> bytes:
    from fer_au.faces import encode_crop

    return encode_crop(crops(1)[0])


@cache
def _faces_store() -> Any:
    from fer_au.stores import Store

    return Store.open(world()["data"] / "faces.h5", "faces")


def _open_first(**arguments: Any) -> Any:
    from fer_au.datasets import open_faces

    return open_faces(**arguments)[0]


CASES = [
    Case("fer_au.datasets:create_adapter", lambda n: {"name": "folder"}, {"name": part("adapter")}, counts=(1,)),
    Case(
        "fer_au.datasets:load_dataset_config",
        lambda n: {"name": "mine", "params_path": world()["params"]},
        {"name": Kind(WORDS, NO_TEXTS), "params_path": PATH},
        counts=(1,),
    ),
    Case(
        "fer_au.datasets:read_manifest",
        lambda n: {"path": world()["data"] / "manifest.csv"},
        {"path": PATH},
        counts=(1,),
    ),
    Case(
        "fer_au.datasets:write_manifest",
        lambda n: {"path": world()["out"], "rows": _rows(n)},
        {
            "path": PATH,
            "rows": Kind({"list": list, "tuple": tuple, "generator": iter}, [None, 3, "word", [3], ["a"], {1}]),
        },
        _written("fer_au.datasets", "write_manifest"),
    ),
    Case(
        "fer_au.datasets:open_faces",
        lambda n: {
            **{"folder": world()["data"], "split": "train", "maps": "au", "image_size": 16, "fold": None},
            "augment": False,
        },
        {
            "folder": FOLDER,
            "split": one_of("train", "valid", "test"),
            "maps": part("cue"),
            "image_size": Kind(SIZES, [one for one in NO_COUNTS if one is not None]),
            "fold": Kind(AS_IT_IS, [1.5, ["1"], b"1", {1}, np.zeros(2)]),
            "augment": FLAG,
        },
        lambda **arguments: _open_first(**arguments),
        counts=(1,),
    ),
    Case("fer_au.faces:create_detector", lambda n: {"name": "whole-image"}, {"name": part("detector")}, counts=(1,)),
    Case(
        "fer_au.faces:create_detector.detect",
        lambda n: {"image": crops(1)[0], "hint": _BOX},
        {"image": PICTURE, "hint": HINT},
        _detected,
        counts=(1,),
    ),
    Case(
        "fer_au.faces:Aligner",
        lambda n: {
            "detector": "whole-image",
            "keypoints": "detector",
            "template": "loose",
            "size": 32,
            "context": 16,
            "choose": "largest",
            "place": _place(),
        },
        {
            "detector": Kind(
                {**WORDS, "list": lambda name: [name], "tuple": lambda name: (name,)},
                [*NO_WORDS, [], ["yunet"] * 2],
                ("detector",),
            ),
            "keypoints": one_of("detector", "dlib5"),
            "template": part("template"),
            "size": COUNT,
            "context": Kind(SIZES, [-1, "a", None, 2.5, True]),
            "choose": one_of("largest", "central"),
            "place": Kind(AS_IT_IS, [3, "0.5", (0.5, 0.5, 1.0)]),
        },
        counts=(1,),
    ),
    Case(
        "fer_au.faces:Aligner.__call__",
        lambda n: {"image": crops(1)[0], "hint": _BOX},
        {"image": PICTURE, "hint": HINT},
        _aligned,
        counts=(1,),
    ),
    Case("fer_au.faces:get_template", lambda n: {"name": "loose"}, {"name": part("template")}, counts=(1,)),
    Case(
        "fer_au.faces:warp_crop",
        lambda n: {"image": crops(1)[0], "matrix": np.array([[0.5, 0, 1], [0, 0.5, 2]]), "size": 16},
        {
            "image": _GREY,
            "matrix": Kind({**STRIDES, **LISTS, **TENSORS, **FLOATS}, lambda m: [*NO_NUMBERS, m * 0, m * np.nan, m.T]),
            "size": COUNT,
        },
        counts=(1,),
    ),
    Case("fer_au.faces:encode_crop", lambda n: {"image": crops(1)[0]}, {"image": _GREY}, counts=(1,)),
    Case(
        "fer_au.faces:decode_crop_bytes",
        lambda n: {"data": _jpeg()},
        {
            "data": Kind(
                {"bytes": bytes, "bytearray": bytearray, "view": memoryview},
                [None, 3, "word", [1], np.zeros(3, np.uint8)],
            )
        },
        counts=(1,),
    ),
    Case(
        "fer_au.faces:decode_crop",
        lambda n: {"store": _faces_store(), "row": 1, "column": "data"},
        {
            "store": Kind(AS_IT_IS, [None, "faces.h5", Path("f"), 3]),
            "row": Kind(SIZES, [-1, 10**6, None, "1", 0.5, True, [1]]),
            "column": TEXT,
        },
        counts=(1,),
    ),
    Case(
        "fer_au.landmarks:create_extractor", lambda n: {"name": "mean-shape"}, {"name": part("extractor")}, counts=(1,)
    ),
    Case("fer_au.landmarks:extractor_card", lambda n: {"name": "mean-shape"}, {"name": part("extractor")}, counts=(1,)),
    Case(
        "fer_au.landmarks:create_extractor.extract",
        lambda n: {"images": crops(n), "boxes": np.tile(_BOX, (n, 1))},
        {
            "images": Kind(
                {**WHOLE, "list of lists": lambda c: [one.tolist() for one in c]},
                lambda c: (
                    [*no_pictures(c[0]), c / 255, [*c, "a.png"], c[..., :1], c[:, :, :0], [*c, crops(1, 50)[0]]]
                    if len(c)
                    else [None, 3]
                ),
            ),
            "boxes": Kind(BOXES.good, lambda b: [one for one in BOXES.mistakes(b) if one is not None]),
        },
        _extracted("mean-shape"),
        counts=(0, 1, 3),
    ),
    Case(
        "fer_au.landmarks:create_extractor.given",
        lambda n: {"images": crops(n), "annotated": faces(n)},
        {
            "images": Kind(WHOLE, [None, 3, "a.png"]),
            "annotated": Kind(NUMBERS, lambda p: [one for one in POINTS.mistakes(p) if one is not None]),
        },
        _extracted("provided"),
    ),
    Case("fer_au.landmarks:inter_ocular_distance", lambda n: {"points": faces(n)}, {"points": POINTS}, leads="points"),
    Case(
        "fer_au.landmarks:mirror_points",
        lambda n: {"points": faces(n), "width": 224},
        {"points": POINTS, "width": Kind(SIZES, [one for one in NO_SIZES if type(one) is not int])},
        leads="points",
    ),
    Case(
        "fer_au.landmarks:normalised_error",
        lambda n: {"points": faces(n), "truth": faces(n) + 1},
        {"points": POINTS, "truth": POINTS},
        leads="points",
    ),
    Case(
        "fer_au.decoding:decode_image",
        lambda n: {"data": _jpeg()},
        {
            "data": Kind(
                {"bytes": bytes, "bytearray": bytearray, "view": memoryview}, [None, 3, [1], np.zeros(3), {1}, object()]
            )
        },
        counts=(1,),
    ),
]
