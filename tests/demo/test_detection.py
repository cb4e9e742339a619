from __future__ import annotations

import dlib
import numpy as np

from fer_au.assets import DLIB68, find_weights
from fer_au.demo.asset import load_asset
from fer_au.demo.expressions import RECIPES
from fer_au.demo.identity import sample_identities
from fer_au.demo.render import PersonModel, render
from fer_au.demo.scene import sample_scene


def test_dlib_finds_the_faces_and_puts_its_points_near_the_truth() -> None:
    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(find_weights(DLIB68)))
    errors, missed = [], 0
    for number, identity in enumerate(sample_identities(load_asset(), 9, seed=11)):
        model = PersonModel.build(identity)
        for column in range(4):
            rng = np.random.default_rng([11, number, column])
            result = render(model, sample_scene(tuple(RECIPES)[(4 * number + column) % 7], rng), 256, rng)
            boxes = detector(result.picture, 0)
            missed += not boxes
            if boxes:
                shape = predictor(result.picture, boxes[0])
                found = np.array([(shape.part(k).x + 0.5, shape.part(k).y + 0.5) for k in range(68)])
                scale = np.linalg.norm(result.points[45] - result.points[36])
                errors.append(np.linalg.norm(found - result.points, axis=1).mean() / scale)
    assert missed <= 1
    assert np.mean(errors) < 0.06
