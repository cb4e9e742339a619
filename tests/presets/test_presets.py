from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fer_au.cam import list_cams
from fer_au.config.data import AlignConfig, HeatmapsConfig, LandmarksConfig
from fer_au.config.entries import load_experiment
from fer_au.config.experiments import CrossConfig, EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.config.reading import load_entry, load_section, read_params
from fer_au.datasets import load_dataset_config
from fer_au.errors import ConfigError, UnknownNameError
from fer_au.faces.alignment import Aligner
from fer_au.presets import expand, list_presets, load_preset, write_preset
from fer_au.presets.needs import next_steps
from tests.presets.small import SMALL, written
from tests.presets.small import small as small

PROMISED = {
    "au-cues-rafdb", "au-cues-affectnet", "lambda-sweep", "layer-ablation", "landmark-noise", "cross-dataset",
    "lan-rafdb", "lan-kdef", "lan-ferplus", "lan-affectnet", "gimefive-rafdb", "gimefive-fer2013",
    "csci5527-fer2013", "best-small", "best-faces", "gimefive-search", "first-look",
    "guidance-study", "guidance-study-faces",
}  # fmt: skip
UNPUBLISHED = {
    "landmark-noise", "cross-dataset", "best-small", "best-faces", "gimefive-search", "first-look",
    "guidance-study", "guidance-study-faces",
}  # fmt: skip
CAM_NAMES = "|".join(map(re.escape, list_cams()))
METRIC = re.compile(rf"accuracy|slice\.pose\.over_(30|45)\.accuracy|(layer\.\d\.)?att_cos|cam_cos\.({CAM_NAMES})")


RENDER = "\nrender: {faces: {identities: 8, size: 96}}\n"


def test_all_promised_presets_are_there() -> None:
    assert set(list_presets()) >= PROMISED


@pytest.mark.parametrize("name", list_presets())
def test_a_preset_is_written_as_a_params_file_that_loads(name: str, tmp_path: Path) -> None:
    files = write_preset(name, tmp_path / "params.yaml")
    path = files[0]
    content = written(path)
    assert list(content) == [
        "datasets", "align", "landmarks", "heatmaps", "train", "evaluate", "experiments", "cross"
    ]  # fmt: skip
    text = path.read_text()
    assert max(map(len, text.splitlines())) <= 120
    assert "&id" not in text
    for section, model in (
        ("align", AlignConfig),
        ("landmarks", LandmarksConfig),
        ("heatmaps", HeatmapsConfig),
        ("train", TrainConfig),
        ("evaluate", EvaluateConfig),
    ):
        load_section(section, model, path)
    for dataset in content["datasets"]:
        assert str(load_dataset_config(dataset, path).root).startswith("/path/to/")
    for experiment, entry in content["experiments"].items():
        config, train = load_experiment(experiment, path)
        assert {"dataset", "seed", "base", "model", "guidance"} <= set(entry)
        assert train.select_on == "valid" or load_dataset_config(config.dataset, path).valid_fraction == 0
    for cross in content["cross"]:
        entry = load_entry("cross", cross, CrossConfig, path)
        assert entry.experiment in content["experiments"]


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_its_alignment_makes_crops_large_enough_to_train_on(name: str) -> None:
    preset = load_preset(name)
    align = AlignConfig.model_validate(preset.align)
    aligner = Aligner(align.detector, align.keypoints, align.template, align.size, align.context, align.choose)
    crop = aligner(np.full((60, 50, 3), 128, np.uint8)).crop
    assert crop.shape == (align.size, align.size, 3)
    for entry in expand(name, preset).experiments.values():
        assert entry.get("train", {}).get("image_size", preset.train["image_size"]) <= align.size


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_published_numbers_lie_beside_the_experiments_that_repeat_them(name: str, tmp_path: Path) -> None:
    files = write_preset(name, tmp_path / "params.yaml")
    if name in UNPUBLISHED:
        assert len(files) == 1
        return
    content, published = written(files[0]), written(files[1])
    cams = content["evaluate"]["cams"]
    groups = {entry.get("group") for entry in content["experiments"].values()}
    repeated = 0
    for row in published["rows"]:
        assert row.get("experiment") in {None, *content["experiments"]}
        assert row.get("group") in {None, *groups}
        place = row.get("experiment") or row.get("group")
        repeated += place is not None
        assert row["metrics"]
        for key, value in row["metrics"].items():
            assert METRIC.fullmatch(key), key
            assert 0 < value <= 1
            if key.startswith("cam_cos."):
                assert key.removeprefix("cam_cos.") in cams
        if place is not None:
            text = f"{row['row']}: " + ", ".join(f"{key} {value:g}" for key, value in row["metrics"].items())
            assert text in " ".join(files[0].read_text().replace("#", "").split())
    assert repeated


@pytest.mark.parametrize(("name", "lines", "weight"), [("au-cues-rafdb", 22, 4.0), ("au-cues-affectnet", 22, 9.0)])
def test_eleven_methods_are_without_and_with_the_cue(name: str, lines: int, weight: float) -> None:
    preset = load_preset(name)
    experiments = expand(name, preset).experiments
    assert len(preset.published) == lines
    assert {row.experiment for row in preset.published} == set(experiments)
    for key, entry in experiments.items():
        assert [term["weight"] for term in entry["guidance"]] == ([weight] if key.endswith("-au") else [])
    assert experiments["cutmix-au"]["guidance"][0]["layers"] == [4]
    assert experiments["adl-au"]["guidance"][0]["layers"] == ["last"]
    # The published evaluation reads every method at its last layer, but CutMix at the one that is guided.
    for row in preset.published:
        layered = {key for key in row.metrics if key.endswith("att_cos")}
        assert layered == ({"layer.4.att_cos"} if row.row.startswith("CutMix") else {"att_cos"}), row.row


def test_published_affectnet_settings_replace_what_is_not_published_for_rafdb(tmp_path: Path) -> None:
    texts = {}
    for name in ("au-cues-rafdb", "au-cues-affectnet"):
        texts[name] = write_preset(name, tmp_path / f"{name}.yaml")[0].read_text()
    assert "# Not published for RAF-DB" in texts["au-cues-rafdb"]
    assert "Not published for RAF-DB" not in texts["au-cues-affectnet"]
    assert "lr: 0.002" in texts["au-cues-affectnet"]


def test_kdef_has_ten_folds_whose_bases_are_of_the_same_fold(tmp_path: Path) -> None:
    files = write_preset("lan-kdef", tmp_path / "params.yaml")
    experiments = written(files[0])["experiments"]
    for fold in range(10):
        entry = experiments[f"lan-fold-{fold}"]
        assert (entry["fold"], entry["base"], entry["group"]) == (fold, f"resnet18-fold-{fold}", "lan")
    assert len(experiments) == 40
    assert written(files[1])["rows"][0] == {"row": "LAN", "group": "lan", "metrics": {"accuracy": 0.9539}, "other": {}}


def test_variants_adjustments_and_likeness_make_complete_experiments(small: Path) -> None:
    expansion = expand("small", load_preset(small))
    assert list(expansion.experiments) == [
        "net-vanilla", "net-au", "big-vanilla", "big-au", "child-vanilla", "child-au"
    ]  # fmt: skip
    assert expansion.experiments["child-au"] == {
        "dataset": "faces", "seed": 0, "base": "net-au",
        "model": {"backbone": "resnet18", "head": "gap", "output_stride": 16},
        "guidance": [{"cue": "au", "weight": 4.0}],
    }  # fmt: skip
    assert expansion.experiments["big-au"]["guidance"] == [{"cue": "au", "weight": 4.0, "layers": [4]}]


@pytest.mark.parametrize(
    ("like", "own", "expected"),
    [
        ("", "{head: lan}", {"backbone": "resnet18", "head": "lan"}),
        (
            "like: big, ",
            "{head: lan}",
            {"backbone": "resnet50", "head": "lan", "backbone_options": {"drop_path_rate": 0.1}},
        ),
        ("", "{head: grid}", {"backbone": "resnet18", "head": "grid", "head_options": {"cells": 4, "dropout": 0.2}}),
        (
            "",
            "{head: lan, head_options: {fusion: add}}",
            {"backbone": "resnet18", "head": "lan", "head_options": {"fusion": "add"}},
        ),
        (
            "like: big, ",
            "{backbone: resnet34}",
            {"backbone": "resnet34", "head": "grid", "head_options": {"cells": 2, "dropout": 0.2}},
        ),
        (
            "like: big, ",
            "{head_options: {cells: 7}}",
            {
                "backbone": "resnet50",
                "head": "grid",
                "head_options": {"cells": 7, "dropout": 0.2},
                "backbone_options": {"drop_path_rate": 0.1},
            },
        ),
    ],
)
def test_options_stay_with_the_head_and_the_backbone_that_they_belong_to(
    small: Path, like: str, own: str, expected: dict[str, object]
) -> None:
    text = SMALL.replace("head: gap}", "head: grid, head_options: {cells: 4, dropout: 0.2}}")
    text = text.replace("output_stride: 16}", "head_options: {cells: 2}, backbone_options: {drop_path_rate: 0.1}}")
    small.write_text(
        text.replace(
            "  child: {like: big, base: net-au, model: {backbone: resnet18}}", f"  child: {{{like}model: {own}}}"
        )
    )
    assert expand("small", load_preset(small)).experiments["child-vanilla"]["model"] == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("comments: {", "coments: {", r"small\.yaml: coments: unknown key; did you mean comments"),
        ("train.epochs: N", "train.epoch: N", r"comments\.train\.epoch: there is no such key"),
        ("experiment: net-au, metrics", "experiment: nett-au, metrics", r"published\.Net: no 'nett-au'; .*net-au"),
        ("{big-au: {g", "{big-ua: {g", r"adjust: no 'big-ua'; did you mean big-au"),
        ("guidance.0.layers", "guidance.1.layers", r"adjust\.big-au\.guidance\.1\.layers: there is no such list entry"),
        ("like: big", "like: bg", r"experiments\.child\.like: no 'bg'; did you mean big\?"),
        ("base: net-au", "base: nex-au", r"experiments\.child-vanilla\.base: no experiment 'nex-au'"),
        ("adapter: folder", "adapter: foldr", r"did you mean folder\?"),
        ("align: {}", "align: {sise: 3}", r"align\.sise: unknown key; did you mean size\?"),
        ("dataset: faces}}", "dataset: face}}", r"cross\.net-on-faces\.dataset: no data set 'face'"),
        ("source: Nobody.", "source: Nobody.\nextends: none-such", r"unknown preset 'none-such'"),
    ],
)
def test_a_fault_in_a_labs_own_preset_is_one_line(small: Path, old: str, new: str, message: str) -> None:
    assert old in SMALL
    small.write_text(SMALL.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        write_preset(str(small), small.with_name("out.yaml"))
    assert not small.with_name("out.yaml").exists()


def test_a_preset_extends_another_key_by_key_where_settings_are_shared(small: Path) -> None:
    child = small.with_name("child.yaml")
    child.write_text(
        f"title: Child.\nsource: Nobody.\nextends: {small}\ncomments: {{train.epochs: null}}\n"
        "train: {optimizer: {weight_decay: 0.5}}\nexperiments: {one: {}}\nvariants: {}\nadjust: {}\ncross: {}\n"
    )
    preset = load_preset(child)
    assert preset.train == {"epochs": 3, "optimizer": {"lr": 0.1, "weight_decay": 0.5}}
    assert list(preset.experiments) == ["one"]
    assert preset.published == ()
    assert preset.comments == {"train.epochs": None, "experiments.net-au": "Ours."}


def test_presets_that_extend_each_other_are_refused(small: Path) -> None:
    small.write_text(SMALL + f"extends: {small}\n")
    with pytest.raises(ConfigError, match="in a circle"):
        load_preset(small)


def test_an_unknown_preset_lists_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean lan-kdef"):
        load_preset("lan-kdf")


def test_published_numbers_of_an_older_preset_do_not_stay(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    assert len(write_preset("lan-rafdb", path)) == 2
    assert write_preset("best-small", path, replace=True) == [path]
    assert not (tmp_path / "params.published.yaml").exists()
    path.unlink()
    (tmp_path / "params.published.yaml").write_text("of another")
    with pytest.raises(ConfigError, match=r"params\.published\.yaml: exists"):
        write_preset("best-small", path)
    assert (tmp_path / "params.published.yaml").read_text() == "of another"


def test_a_preset_may_render_its_faces(small: Path, tmp_path: Path) -> None:
    text = SMALL.replace(
        "datasets: {faces: {adapter: folder, root: /path}}", "datasets: {faces: {adapter: demo, root: raw}}"
    )
    small.write_text(text.replace("{train.epochs: N", "{render.faces.size: Small., train.epochs: N") + RENDER)
    path = write_preset(str(small), tmp_path / "params.yaml")[0]
    content = written(path)
    assert list(content)[:3] == ["datasets", "render", "align"]
    assert content["render"] == {"faces": {"identities": 8, "size": 96}}
    assert "    # Small.\n    size: 96" in path.read_text()
    read_params(path)
    assert "set the root" not in " ".join(next_steps(path))
    for old, new, message in (
        ("sise", "size", r"small\.yaml: render\.faces\.sise: unknown key; did you mean size"),
        ("fases:", "faces:", r"small\.yaml: render.fases: no 'fases'; did you mean faces\?"),
    ):
        small.write_text(text + RENDER.replace(new, old))
        with pytest.raises(ConfigError, match=message):
            write_preset(str(small), tmp_path / "other.yaml")


def test_a_comment_about_no_key_names_the_file_and_where_it_comes_from(small: Path) -> None:
    small.write_text(SMALL.replace("train.epochs: N", "train.epoch: N"))
    with pytest.raises(ConfigError) as caught:
        write_preset(str(small), small.with_name("out.yaml"))
    assert str(caught.value).startswith(
        f"{small}: comments.train.epoch: there is no such key; did you mean train.epochs"
    )
    small.write_text(SMALL)
    child = small.with_name("child.yaml")
    child.write_text(
        f"title: Child.\nsource: Nobody.\nextends: {small}\nexperiments: {{one: {{}}}}\n"
        "variants: {}\nadjust: {}\ncross: {}\n"
    )
    with pytest.raises(ConfigError) as caught:
        write_preset(str(child), small.with_name("out.yaml"))
    inherited = f"comes from preset {small}, and there is no such key; set it to null"
    assert str(caught.value) == f"{child}: comments.experiments.net-au: {inherited}"


def test_written_experiments_differ_from_the_defaults_only_as_asked(small: Path) -> None:
    expansion = expand("small", load_preset(small))
    plain = ExperimentConfig.model_validate(expansion.experiments["net-vanilla"])
    assert plain == ExperimentConfig.model_validate(
        {"dataset": "faces", "model": {"backbone": "resnet18", "head": "gap"}}
    )


def test_a_written_file_says_how_to_write_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--grid", "train.optimizer.lr=1e-3,0.01", "--grid", "model.head_options.widths=[64],[256, 64]"]
    options += ["--grid", "train.schedule.name=cosine,'step'"]
    assert _run(["presets", "write", "best-small", *options, "-o", "my params.yaml"]) == 0
    path = tmp_path / "my params.yaml"
    before = path.read_bytes()
    first = path.read_text().splitlines()[0]
    command = shlex.split(first.removeprefix("# Written by: "))
    assert command[:4] == ["fer-au", "presets", "write", "best-small"]
    assert command[-3:] == ["-o", "my params.yaml", "--force"]
    path.unlink()
    assert _run(command[1:]) == 0
    assert path.read_bytes() == before


def _run(arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-c", "from fer_au.cli import main; main()", *arguments]).returncode
