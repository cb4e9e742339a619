"""Whatever a part of another package answers, of any kind: what doesn't fit is one line that names the part."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest
import torch

from benchmarks.shared.random_points import random_faces
from fer_au.cam.forward import CamInput, ForwardPass
from fer_au.cam.registry import raw_maps
from fer_au.cues import Cue, FaceBatch, Geometry
from fer_au.cues.au import AUCue
from fer_au.datasets.base import Record, Scan, list_records
from fer_au.errors import PartError
from fer_au.faces import Detection
from fer_au.faces.alignment import Aligner
from fer_au.faces.detectors import find_faces
from fer_au.landmarks import create_extractor
from fer_au.landmarks.extractors import extract_points
from fer_au.models import create_model
from fer_au.models.network import FerModel
from fer_au.models.parts import HeadOutput, TrunkOutput
from fer_au.training.cue_maps import CueMaps
from tests.plugins.package import install
from tests.plugins.test_lab_parts import METADATA, OFFERS

FILES = {"fer_au.codebooks", "fer_au.presets"}  # read as configuration, whose faults name the file
PICTURE = np.zeros((90, 120, 3), np.uint8)
BOX = (10.0, 10.0, 60.0, 60.0)
TINY = {"backbone": "test_resnet"}
CLASSES = ("neutral", "happiness")


def use_cue(part):
    faces = FaceBatch(random_faces(3).astype(np.float32), ["fear"] * 3, 224, 14)
    return CueMaps(part(), ["a", "b", "c"], [faces])


def use_geometry(part):
    return AUCue(geometry=part()).render(FaceBatch(random_faces(3).astype(np.float32), ["fear"] * 3, 224, 14))


def use_loss(part):
    attention = torch.rand(2, 5, 5, requires_grad=True)
    return part()(attention, torch.rand(2, 5, 5), torch.tensor([True, True]))


def scores_of(head):
    model = create_model(TINY, CLASSES, seed=0)
    model.head = head
    output = model(torch.zeros(3, 3, 64, 64))
    return model, output


def use_head(part):
    channels = create_model(TINY, CLASSES, seed=0).backbone.channels
    model, output = scores_of(part(channels, len(CLASSES)))
    return model.class_maps(output)


def use_net(part):
    model: FerModel = create_model({"backbone": "gimefive-10"}, CLASSES, seed=0)
    model.backbone = part(3)
    model.head = part.head(model.backbone.channels, len(CLASSES))
    model.layers = model.backbone.layers
    return model(torch.zeros(2, 3, 64, 64))


def use_cam(part):
    model = create_model(TINY, CLASSES, seed=0)
    passed, target = ForwardPass(model, torch.zeros(3, 3, 64, 64)), torch.zeros(3, dtype=torch.int64)
    return raw_maps(part(), CamInput(passed, target, None, lambda: passed.gradients(target)))


def use_detector(part):
    return find_faces(part(), PICTURE)


def use_extractor(part):
    return extract_points(part(), np.zeros((2, 96, 96, 3), np.uint8), np.array([BOX] * 2))


def use_adapter(part):
    return list_records(part(), None)


def gives(value):
    return lambda *_, **__: value


def maps_of(change, valid=None):
    """A ``draw`` of a cue or a geometry whose good answer is changed."""

    def draw(self, first, *more):
        points, size = (first.points, first.map_size) if isinstance(first, FaceBatch) else (first, more[-1])
        maps, flags = np.full((len(points), size, size), 0.5, np.float32), np.ones(len(points), np.bool_)
        return change(maps), flags if valid is None else valid(flags)

    return draw


def with_a_nan(maps):
    maps = maps.copy()
    maps[1, 3, 3] = np.nan
    return maps


DRAWN = [
    (maps_of(lambda maps: maps * 6), "gave maps with values from 3 to 3, expected 0 to 1"),
    (maps_of(lambda maps: maps - 1), "gave maps with values from -0.5 to -0.5, expected 0 to 1"),
    (maps_of(with_a_nan), "gave maps with values that are NaN, expected 0 to 1"),
    (maps_of(lambda maps: maps[:, :, 0]), r"gave maps \(3, 14\) float32, expected \(3, (S, S|14, 14)\) float"),
    (maps_of(lambda maps: maps[:, None]), r"gave maps \(3, 1, 14, 14\) float32, expected"),
    (maps_of(lambda maps: maps[:, 1:]), r"gave maps \(3, 13, 14\) float32, expected"),
    (maps_of(lambda maps: maps[:1]), r"gave maps \(1, 14, 14\) float32, expected"),
    (maps_of(lambda maps: (maps * 255).astype(np.uint8)), r"gave maps \(3, 14, 14\) uint8, expected .* float"),
    (maps_of(torch.from_numpy), "gave maps as a torch tensor on cpu, expected a numpy array as its input is"),
    (maps_of(lambda maps: maps, np.float32), r"gave valid \(3,\) float32, expected \(3,\) bool"),
    (maps_of(lambda maps: maps, lambda valid: valid[:2]), r"gave valid \(2,\) bool, expected \(3,\) bool"),
    (gives(np.zeros((3, 14, 14), np.float32)), "gave a value of type ndarray, expected maps and valid"),
    (gives(([[0.5]], [True])), r"gave maps of type list, expected \(3, "),
]
FOUND = Detection(BOX, 0.5, "test")
POINTS = random_faces(2).astype(np.float32) * (96 / 224)
NO_SCORE = np.full(2, np.nan, np.float32)

# Entry-point group -> how a part of the kind is used, the method that answers, and wrong answers with what is said.
WRONG = {
    "fer_au.cues": (use_cue, "draw", DRAWN),
    "fer_au.geometries": (use_geometry, "draw", DRAWN),
    "fer_au.losses": (
        use_loss,
        "compare",
        [
            (lambda _, a, t, w: (a - t).abs().mean(), r"gave distances \(\) float32, expected \(2,\) float"),
            (lambda _, a, t, w: (a - t).abs(), r"gave distances \(2, 25\) float32, expected \(2,\) float"),
            (lambda _, a, t, w: (a - t).sum(1) * torch.nan, "gave distances with values that are NaN, expected 0 or"),
            (lambda _, a, t, w: -1 - (a * t).sum(1), "gave distances with values from -.* to -.*, expected 0 or more"),
            (lambda _, a, t, w: (a - t).abs().sum(1).detach(), "gave distances without a gradient: nothing would"),
            (lambda _, a, t, w: (a.detach() - t).abs().sum(1).numpy(), "gave distances as a numpy array, expected a"),
            (gives(0.5), r"gave distances of type float, expected \(2,\) float"),
        ],
    ),
    "fer_au.heads": (
        use_head,
        "forward",
        [
            (gives(HeadOutput(torch.zeros(3))), r"gave logits \(3,\) float32, expected \(3, 2\) float"),
            (gives(HeadOutput(torch.zeros(3, 7))), r"gave logits \(3, 7\) float32, expected \(3, 2\) float"),
            (
                gives(HeadOutput(torch.zeros(3, 2), attention=torch.zeros(3, 1, 8, 8))),
                r"gave attention \(3, 1, 8, 8\) float32, expected \(3, h, w\) float",
            ),
            (
                gives(HeadOutput(torch.zeros(3, 2), auxiliary=(torch.zeros(3),))),
                r"gave auxiliary logits \(3,\) float32, expected \(3, 2\) float",
            ),
            (gives(torch.zeros(3, 2)), "gave a value of type Tensor, expected a HeadOutput"),
        ],
    ),
    "fer_au.nets": (
        use_net,
        "forward",
        [
            (gives(torch.zeros(2, 16, 16, 16)), "gave a value of type Tensor, expected a TrunkOutput"),
            (
                gives(TrunkOutput(torch.zeros(2, 16), {"1": torch.zeros(2, 4, 8, 8), "2": torch.zeros(2, 16)})),
                r"gave final map \(2, 16\) float32, expected \(2, 16, h, w\) float",
            ),
            (
                gives(TrunkOutput(torch.zeros(2, 16, 8, 8), {"2": torch.zeros(2, 16, 8, 8)})),
                r"gave the layers \['2'\], expected \['1', '2'\]",
            ),
        ],
    ),
    "fer_au.cams": (
        use_cam,
        "maps",
        [
            (lambda _, batch: batch.features, r"gave maps \(3, \d+, 2, 2\) float32, expected \(3, h, w\) float"),
            (lambda _, batch: batch.features.sum((0, 1)), r"gave maps \(2, 2\) float32, expected \(3, h, w\) float"),
            (lambda _, batch: batch.features.sum(1) / 0, "gave maps with values .*, expected finite ones"),
            (lambda _, batch: batch.features.sum(1).numpy(), "gave maps as a numpy array, expected a torch tensor on"),
        ],
    ),
    "fer_au.detectors": (
        use_detector,
        "detect",
        [
            (gives([BOX]), r"gave \[\(10.0, .*\)\], expected a list of fer_au.faces.Detection"),
            (gives(None), "gave None, expected a list of fer_au.faces.Detection"),
            (
                gives([Detection((0.1, 0.1, 0.6, 0.6), 1.0, "")]),
                r"gave the box .* in a picture of 120x90 pixels, ",
            ),
            (gives([Detection((130.0, 10, 160, 60), 1.0, "")]), r"gave the box \(130.0, 10, 160, 60\) in a picture"),
            (gives([Detection((60.0, 10, 20, 60), 1.0, "")]), r"gave the box \(60.0, 10, 20, 60\) in a picture"),
            (gives([Detection((np.nan, 10, 20, 60), 1.0, "")]), r"gave the box \(nan, 10, 20, 60\) in a picture"),
            (gives([Detection(BOX[:3], 1.0, "")]), r"gave the box \(10.0, 10.0, 60.0\) in a picture"),
            (gives([Detection(BOX, 1.0, "", five=((1, 2),))]), r"gave the alignment points \(\(1, 2\),\), expected 5"),
        ],
    ),
    "fer_au.extractors": (
        use_extractor,
        "extract",
        [
            (gives((POINTS[:1], NO_SCORE)), r"gave points \(1, 68, 2\) float32, expected \(2, 68, 2\) float"),
            (gives((POINTS[:, :51], NO_SCORE)), r"gave points \(2, 51, 2\) float32, expected \(2, 68, 2\) float"),
            (gives((POINTS, NO_SCORE[:1])), r"gave scores \(1,\) float32, expected \(2,\) float"),
            (gives((POINTS / 96, NO_SCORE)), "gave points with coordinates from .* in crops of 96x96 pixels, expected"),
            (gives((POINTS + 900, NO_SCORE)), "gave points with coordinates from 9.* in crops of 96x96 pixels, exp"),
            (gives(POINTS), "gave a value of type ndarray, expected points and scores"),
        ],
    ),
    "fer_au.adapters": (
        use_adapter,
        "scan",
        [
            (gives([Record("a.jpg", "anger")]), "gave a value of type list, expected a fer_au.datasets.base.Scan"),
            (gives(Scan((("a.jpg", "anger"),))), "listed a value of type tuple, expected a fer_au.datasets.base.Rec"),
            (gives(Scan((Record("a.jpg", "angry"),))), "gave the label 'angry' of 'a.jpg', expected one of neutral, "),
        ],
    ),
}
CASES = [(group, place) for group, (_, _, cases) in WRONG.items() for place in range(len(cases))]


@pytest.fixture
def part(group, tmp_path, monkeypatch):
    """The example's part of a kind."""
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (target,) = METADATA["entry-points"][group].values()
    return EntryPoint(OFFERS[group].name, target, group).load()


def test_every_kind_of_part_is_held_to_its_answer():
    assert WRONG.keys() == OFFERS.keys() - FILES


@pytest.mark.parametrize(("group", "case"), CASES)
def test_a_wrong_answer_is_one_line_that_names_the_part(group, case, part):
    use, method, cases = WRONG[group]
    answer, message = cases[case]
    wrong = type("Wrong", (part,), {method: answer, "action_units": frozenset(range(1, 70))})
    with pytest.raises(PartError, match=message) as caught:
        use(wrong)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(OFFERS[group].kind)
    assert ".Wrong) " in text


@pytest.mark.parametrize("group", WRONG)
def test_the_examples_answers_are_right(group, part, tmp_path):
    if group == "fer_au.adapters":
        (tmp_path / "faces.txt").write_text("happy a.jpg\n")
        assert list_records(part(), part.Config(adapter="lab-lines", root=tmp_path)).records
    elif group == "fer_au.geometries":
        assert issubclass(part, Geometry)  # it can't draw all units of the default codebook
    else:
        WRONG[group][0](part)


def test_a_wrong_map_of_a_face_without_a_cue_is_never_read():
    class Blind(Cue):
        def draw(self, faces):
            return np.full((len(faces), 14, 14), np.nan, np.float32), np.zeros(len(faces), np.bool_)

    maps, valid = Blind().render(FaceBatch(random_faces(2), ["fear"] * 2, 224, 14))
    assert not maps.any()
    assert not valid.any()


def test_one_odd_face_of_a_batch_is_no_other_frame():
    class Odd(type(create_extractor("mean-shape"))):
        def extract(self, images, boxes=None, annotated=None):
            points, score = super().extract(images, boxes, annotated)
            points[0] += 5000
            return points, score

    points, _ = extract_points(Odd(), np.zeros((2, 96, 96, 3), np.uint8), np.array([BOX] * 2))
    assert points[0].min() > 4000


def test_aligning_says_it_too(monkeypatch):
    aligner = Aligner(detector="whole-image")
    monkeypatch.setattr(type(aligner._finders[0]), "detect", gives([Detection((0.2, 0.2, 0.9, 0.9), 1.0, "")]))
    for align in (aligner, aligner.all):
        with pytest.raises(PartError, match=r"face detector 'whole-image' .* gave the box"):
            align(PICTURE)
