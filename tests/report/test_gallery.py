"""What the gallery holds: which images, and that their packed maps, points and scores are those of the stores."""

from __future__ import annotations

import base64
import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_au.heat import stretch
from fer_au.report.collect import Project, read_project
from fer_au.report.gallery import Gallery, galleries
from fer_au.report.gallery_choice import choose_images, share_out
from fer_au.report.page_script import json_block
from fer_au.report.stage import render_page

from .project import GUIDED, HOSTILE, Writer, experiment

MakeParams = Callable[..., Path]


def block(gallery: Gallery, name: str) -> Any:
    (found,) = (one for one in gallery.blocks if one.name == f"gallery/{gallery.name}{name}")
    return json.loads(found.text) if found.kind == "application/json" else base64.b64decode(found.text)


@pytest.fixture
def project(writer: Writer) -> Project:
    writer.dataset("faces", per_class=12)
    writer.experiment("vanilla", good=False, wrong_every=5)
    writer.experiment("au", good=True, wrong_every=7)
    params = writer.params({"vanilla": experiment(), "au": experiment(guidance=GUIDED)})
    return read_project(params, writer.root)


def test_some_of_every_class_and_outcome_are_chosen_and_spread_over_the_split(project: Project) -> None:
    ids = project.experiments[0].results.ids
    chosen = choose_images(project.experiments, ids, 20)
    assert len(chosen) == 20
    assert chosen == sorted(chosen, key=ids.index)
    outcomes: dict[str, tuple[str, float]] = {}
    for one in project.experiments:
        for id_, label, right in zip(one.results.ids, one.labels, one.correct, strict=True):
            outcomes[id_] = (label, outcomes.get(id_, (label, 0.0))[1] + right)
    assert {outcomes[id_] for id_ in chosen} == set(outcomes.values())
    whole, part = Counter(outcomes.values()), Counter(outcomes[id_] for id_ in chosen)
    for label in ("neutral", "anger"):
        assert part[label, 2.0] < whole[label, 2.0]
    assert choose_images(project.experiments, ids, 20) == chosen
    assert choose_images(project.experiments, ids, 1000) == ids


@pytest.mark.parametrize(("sizes", "count"), [([5], 3), ([1, 1, 98], 10), ([3, 3], 9), ([40, 1, 1, 1], 4)])
def test_places_are_shared_out_and_no_group_stays_without(sizes: list[int], count: int) -> None:
    given = share_out(sizes, count)
    assert sum(given) == min(count, sum(sizes))
    assert all(0 < own <= size for own, size in zip(given, sizes, strict=True))


def test_the_number_of_images_is_the_readers(project: Project) -> None:
    (some,) = galleries(project, 9)
    assert (some.shown, some.total) == (9, 49)
    assert len(block(some, "")["ids"]) == len(block(some, "/faces")) == 9
    (whole,) = galleries(project, None)
    assert whole.shown == 49
    (none,) = galleries(project, 0)
    assert none.shown == len(block(none, "")["ids"]) == 0
    assert '"galleries">[]<' in render_page(project, 0)


def test_maps_answers_scores_and_points_are_those_of_the_stores(project: Project) -> None:
    (gallery,) = galleries(project, 15)
    meta = block(gallery, "")
    assert HOSTILE in project.experiments[0].results.ids
    for one, own in zip(project.experiments, meta["experiments"], strict=True):
        rows = np.array([one.results.index[id_] for id_ in meta["ids"]])
        probabilities = np.frombuffer(block(gallery, f"/{one.name}/probabilities"), "<f4").reshape(15, -1)
        np.testing.assert_array_equal(probabilities, one.results["probabilities"][rows])
        scores = np.frombuffer(block(gallery, f"/{one.name}/scores"), "<f4").reshape(len(own["scores"]), 15)
        for key, values in zip(own["scores"], scores, strict=True):
            if f"score/{key}" in one.results.columns:
                np.testing.assert_array_equal(values, one.results[f"score/{key}"][rows].astype(np.float32))
        assert {"confidence", "entropy", "true_class", "att_ccos"} <= set(own["scores"])
        np.testing.assert_allclose(scores[own["scores"].index("confidence")], probabilities.max(axis=1))
        assert {shape["key"] for shape in own["maps"]} == {source.column for source in one.maps}
        for shape in own["maps"]:
            cells = np.frombuffer(block(gallery, f"/{one.name}/{shape['key']}"), np.uint8)
            grid = cells.reshape(15, shape["rows"], shape["columns"])
            expected = stretch(one.results[shape["key"]][rows].astype(np.float32)) * 255
            assert np.abs(grid - expected).max() <= 0.5
    points = np.frombuffer(block(gallery, "/points"), "<i2").reshape(15, 68, 2)
    dataset = project.datasets["faces"]
    stored = dataset.landmarks["points"][[dataset.landmarks.index[id_] for id_ in meta["ids"]]]
    np.testing.assert_allclose(points / meta["pointUnit"] * 96, stored, atol=0.01)
    offsets = meta["outlineOffsets"]
    assert len(offsets) == 16
    assert offsets[-1] == len(block(gallery, "/outlines"))
    assert all(end > start for start, end in itertools.pairwise(offsets))


def test_an_image_outside_a_fold_has_no_answer_there(writer: Writer) -> None:
    writer.dataset("faces")
    writer.experiment("vanilla", good=False)
    writer.rows = [row for row in writer.rows if row.label != "surprise"]
    writer.experiment("fold", good=True)
    params = writer.params({"vanilla": experiment(), "fold": experiment(fold=1)})
    (gallery,) = galleries(read_project(params, writer.root), None)
    meta = block(gallery, "")
    outside = np.array(["surprise" in id_ for id_ in meta["ids"]])
    probabilities = np.frombuffer(block(gallery, "/fold/probabilities"), "<f4").reshape(len(outside), -1)
    assert (np.isnan(probabilities).all(axis=1) == outside).all()
    maps = np.frombuffer(block(gallery, "/fold/attention/1"), np.uint8).reshape(len(outside), -1)
    assert (maps.max(axis=1) == np.where(outside, 0, 255)).all()


def test_many_experiments_keep_the_maps_of_one_of_each_group(writer: Writer) -> None:
    writer.dataset("faces", per_class=1)
    for seed in range(9):
        writer.experiment(f"au-{seed}", good=True, seed=seed)
    own = {f"au-{seed}": experiment(guidance=GUIDED, group="seeds" if seed else "") for seed in range(9)}
    (gallery,) = galleries(read_project(writer.params(own), writer.root), None)
    meta = block(gallery, "")
    assert [one["name"] for one in meta["experiments"] if one["maps"]] == ["au-0", "au-1"]
    scores = {one["name"]: set(one["scores"]) for one in meta["experiments"]}
    assert scores["au-0"] > scores["au-5"] > {"confidence", "att_ccos"}


def test_no_character_of_data_ends_its_block() -> None:
    value = {"id": "</script><!-- <script> &amp; \u2028 ü"}
    text = json_block("x", value).text
    assert not set("<>&\u2028").intersection(text)
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_block("x", float("nan"))
