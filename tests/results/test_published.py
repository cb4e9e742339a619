"""Published numbers beside ours, and what the difference is said to mean."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_au.config.published import Published, published_path, read_published
from fer_au.presets.writing import write_preset
from fer_au.results.published import PublishedScore, scores_beside
from fer_au.results.reading import read_results
from tests.results.writer import ResultsWriter

SAME = "The settings are the preset's."


def scores(writer: ResultsWriter, *rows: dict[str, Any], settings: Any = None) -> list[PublishedScore]:
    """Publish rows, and read them back beside the results; ``settings`` edits the preset's, which are ours."""
    params = yaml.safe_load(writer.params().read_text())
    published = copy.deepcopy({key: params[key] for key in params if key != "cross"})
    if settings is not None:
        settings(published)
    path = writer.publish(*rows)
    path.write_text(path.read_text() + yaml.safe_dump({"settings": published}))
    return scores_beside(read_results(writer.params(), writer.root))


def row(value: float, key: str = "accuracy", name: str = "lan", **more: Any) -> dict[str, Any]:
    return {"row": "LAN", "experiment": name, "metrics": {key: value}, **more}


@pytest.mark.parametrize(
    ("key", "value", "side"),
    [
        ("accuracy", 0.7, "within"), ("accuracy", 1.0, "above"), ("accuracy", 0.1, "below"),
        ("att_cos", 0.515, "within"), ("att_cos", 0.6, "above"), ("att_cos", 0.4, "below"),
    ],
)  # fmt: skip
def test_a_value_is_placed_beside_the_interval(writer: ResultsWriter, key: str, value: float, side: str) -> None:
    writer.evaluate("lan", wrong=10, images=36)
    (found,) = scores(writer, row(value, key))
    result = read_results(writer.params(), writer.root).experiments[0].result
    assert result is not None
    low, high = result.interval(key)
    assert (found.name, found.members, found.key, found.published) == ("lan", ("lan",), key, value)
    assert found.meaning.startswith(f"{SAME} The published value lies {side} the 95 % interval of ours")
    assert (low - 1e-4 <= value <= high + 1e-4) == (side == "within")


def test_an_interval_that_nobody_knows_is_said_to_be_so(writer: ResultsWriter) -> None:
    writer.evaluate("lan", wrong=0, **{"cam_cos.native": 0.5})
    found = scores(writer, row(0.9), row(0.9, "cam_cos.native"), row(0.9, "cam_cos.gradcam"))
    unknown = "How far chance moves it over test images is not known."
    assert [one.meaning for one in found] == [*[f"{SAME} {unknown}"] * 2, "It was not measured here."]
    assert (found[2].here_text, found[2].difference_text, found[2].published_text) == ("–", "–", "0.900")


def test_a_group_is_compared_by_its_spread(writer: ResultsWriter) -> None:
    for seed, wrong in enumerate((2, 3, 4)):
        writer.name(f"lan-{seed}", group="lan", seed=seed)
        writer.evaluate(f"lan-{seed}", wrong=wrong)
    group = {"row": "LAN", "group": "lan", "metrics": {"accuracy": 0.8}}
    near, far = scores(writer, group, {**group, "metrics": {"accuracy": 0.99}})
    assert near.members == ("lan-0", "lan-1", "lan-2")
    assert near.here_text == "75.00 ± 8.33"
    words = "The published value lies within two standard deviations of our 3 runs, 58.33 to 91.67."
    assert near.meaning == f"{SAME} {words}"
    assert "lies above two standard deviations" in far.meaning


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda p: p["train"].update(epochs=70), "The protocol differs from the preset's in train.epochs."),
        (lambda p: p["experiments"]["lan"].update(train={"epochs": 70}), "differs from the preset's in train.epochs."),
        (lambda p: p["experiments"]["lan"]["model"].update(backbone="resnet18"), "experiments.lan.model.backbone."),
        (lambda p: p["heatmaps"].update(codebook="paper"), "heatmaps.codebook."),
        (lambda p: p["align"].update(template="arcface"), "align.template."),
        (lambda p: p["evaluate"].update(split="valid"), "evaluate.split."),
        (lambda p: p["datasets"]["faces"].update(valid_fraction=0.2), "datasets.faces.valid_fraction."),
        (lambda p: p["train"].update(epochs=70, batch_size=8, image_size=48, clip_grad=2.0, ema=0.9), " and 1 more."),
        (lambda p: p["datasets"]["faces"].update(adapter="csv"), "It was published of other data: "),
        (
            lambda p: (p["datasets"].update(raf={"adapter": "folder", "root": "x"}),
                       p["experiments"]["lan"].update(dataset="raf")),
            "It was published of other data: the preset has data set 'raf', and params.yaml has 'faces'.",
        ),
    ],
)  # fmt: skip
def test_what_differs_from_the_preset_is_named(writer: ResultsWriter, edit: Any, words: str) -> None:
    writer.evaluate("lan", wrong=3)
    (found,) = scores(writer, row(0.7), settings=edit)
    assert words in found.meaning
    assert SAME not in found.meaning
    assert "lies within" in found.meaning


@pytest.mark.parametrize(
    "edit",
    [
        lambda p: p["datasets"]["faces"].update(root="/elsewhere", max_reject_fraction=0.9),
        lambda p: p["train"].update(precision="fp32"),
        lambda p: p["train"].update(batch_size=64),  # the default, written out
        lambda p: p["experiments"]["lan"].update(seed=3, group="x"),
        lambda p: p["evaluate"].update(cams=["native"]),
    ],
)
def test_what_is_no_part_of_a_protocol_is_not_named(writer: ResultsWriter, edit: Any) -> None:
    writer.evaluate("lan", wrong=3)
    (found,) = scores(writer, row(0.7), settings=edit)
    assert found.meaning.startswith(SAME)


def test_rows_about_nothing_here_are_left_out_and_others_wait(writer: ResultsWriter) -> None:
    writer.name("waiting")
    writer.evaluate("lan", wrong=3)
    other = {"row": "SCN", "metrics": {"accuracy": 0.9}}
    found = scores(writer, row(0.8, name="gone"), other, row(0.9, name="waiting"))
    assert [(one.name, one.members, one.meaning) for one in found] == [("waiting", (), "It was not measured here.")]


def test_a_file_without_settings_says_so(writer: ResultsWriter) -> None:
    writer.evaluate("lan", wrong=3)
    (other,) = scores(writer, row(0.7), settings=lambda p: p["experiments"].clear())
    assert other.meaning.startswith("The file doesn't say by which settings it was published")
    writer.publish(row(0.7))
    (found,) = scores_beside(read_results(writer.params(), writer.root))
    assert found.meaning.startswith("The file doesn't say by which settings it was published")


@pytest.mark.parametrize("name", ["lan-rafdb", "au-cues-rafdb", "gimefive-rafdb", "csci5527-fer2013"])
def test_a_preset_keeps_its_settings_and_agrees_with_itself(tmp_path: Path, name: str) -> None:
    write_preset(name, tmp_path / "params.yaml")
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    published: Published = read_published(published_path(tmp_path / "params.yaml"))
    about = {one.experiment for one in published.rows if one.experiment}
    assert about <= published.settings["experiments"].keys()
    for key, entry in published.settings["experiments"].items():
        assert params["experiments"][key] == entry
    assert all(params[key] == value for key, value in published.settings.items() if key != "experiments")
