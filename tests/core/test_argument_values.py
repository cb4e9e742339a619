"""Values that were once taken in silence: labels in other words, points of another frame, splits that are not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.shared.blobs import CENTRES, many, write_dataset
from fer_au.cues import FaceBatch, create_cue, render_au_maps
from fer_au.datasets import open_faces
from fer_au.errors import ArgumentError, DataError, FerAuError
from fer_au.evaluation import expression_means, region_attention
from fer_au.ibug68 import MEAN_FACE
from fer_au.models import create_model

POINTS = np.repeat(112 + 64 * MEAN_FACE[None], 2, axis=0)


@pytest.mark.parametrize(("text", "name"), [("happy", "happiness"), ("Happiness", "happiness"), (" ANGRY ", "anger")])
def test_labels_are_read_as_in_label_files(text: str, name: str) -> None:
    expected, valid = render_au_maps(POINTS, [name, name])
    assert valid.all()
    np.testing.assert_array_equal(render_au_maps(POINTS, [text, name])[0], expected)
    np.testing.assert_array_equal(create_cue("au").render(FaceBatch(POINTS, [text, name], 224, 28))[0], expected)
    assert expression_means(np.ones(2), [text, name]) == {name: 1.0}
    others = [one for one in ("surprise", "fear") if name == "happiness"]
    assert create_model({"backbone": "test_resnet"}, [text, *(others or ["disgust"])], seed=0).classes[0] == name


def test_an_unknown_label_is_refused_with_a_near_name() -> None:
    with pytest.raises(ArgumentError, match=r"labels\[1\]: unknown expression 'hapiness'; did you mean happiness"):
        render_au_maps(POINTS, ["anger", "hapiness"])


FRAMES = {
    "shares of the crop": (POINTS / 224, 224, "multiply them by image_size"),
    "a crop of another size": (POINTS / 20, 224, "the first face is tiny"),
    "a picture": (POINTS + 1000, 224, "the first face is far outside"),
}


@pytest.mark.parametrize("frame", FRAMES)
def test_points_of_another_frame_are_refused(frame: str) -> None:
    points, size, expected = FRAMES[frame]
    with pytest.raises(ArgumentError, match=expected):
        render_au_maps(points, ["anger", "fear"], image_size=size)
    with pytest.raises(ArgumentError, match=expected):
        region_attention(np.ones((2, 7, 7)), points, size)


def test_one_face_may_lie_anywhere() -> None:
    points = POINTS.copy()
    points[0] += 1000
    maps, valid = render_au_maps(points, ["anger", "fear"])
    assert valid.tolist() == [False, True]
    assert maps[1].any()


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "demo", [blob for label in CENTRES for blob in many(label, 2)])


def test_an_unknown_split_is_refused_with_a_near_name(faces: Path) -> None:
    with pytest.raises(ArgumentError, match=r"split: unknown 'trian'; did you mean train\?"):
        open_faces(faces, split="trian")  # type: ignore[arg-type]


def test_a_split_without_faces_is_refused(faces: Path) -> None:
    with pytest.raises(DataError, match=r"split 'test' has no usable faces; the manifest lists 8 in train, 0 in valid"):
        open_faces(faces, split="test")


@pytest.mark.parametrize(
    "wrong", [{"folder": 3}, {"split": None}, {"maps": 3}, {"maps": "aux"}, {"image_size": 0}, {"image_size": "64"},
              {"fold": [1]}, {"fold": "7"}]
)  # fmt: skip
def test_every_argument_of_open_faces_is_checked(faces: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(FerAuError):
        open_faces(**{"folder": faces, **wrong})  # type: ignore[arg-type]
