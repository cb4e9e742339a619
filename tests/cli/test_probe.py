from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.shared.blobs import many
from fer_au.config.entries import load_experiment
from fer_au.evaluation import write_metrics
from fer_au.models.config_file import read_config
from fer_au.training import train_experiment
from tests.cli.conftest import Call
from tests.cli.test_help import example_of
from tests.probe.conftest import Project, faces


@pytest.fixture
def tiny(call: Call) -> Project:
    """A project of tiny faces in the folder of ``call``."""
    made = Project()
    made.data()
    made.write(plain={}, other={"seed": 1})
    return made


def test_the_tables_of_a_network_that_is_not_trained(call: Call, tiny: Project) -> None:
    files = ("--csv", "t.csv", "--json", "out/t.json", "--figure", "t.svg")
    code, out, err = call("probe", "plain", "other", "--untrained", "--target", "both", *files)
    assert code == 0
    assert err.splitlines()[-3:] == ["t.csv: 10 layers", "out/t.json: 10 layers", "t.svg: 2 networks"]
    assert max(map(len, out.splitlines())) <= 80
    assert "plain (untrained): test_resnet, weights fresh, seed 0" in " ".join(out.split())
    assert "Expression: best in layer" in out
    assert "Person: best in layer" in out
    with Path("t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    layers = json.loads(Path("out/t.json").read_text())[0]["layers"]
    assert len(rows) == 2 * 2 * len({row["layer"] for row in rows})
    assert {row["target"] for row in rows} == {"expression", "subject"}
    assert all(0 <= float(row["balanced_accuracy"]) <= 1 for row in rows)
    assert [float(row["accuracy"]) for row in rows[: len(layers)]] == [row["accuracy"] for row in layers]
    text = Path("t.svg").read_text()
    ElementTree.fromstring(text)
    call("probe", "plain", "other", "--untrained", "--target", "both", "--figure", "again.svg")
    assert Path("again.svg").read_text() == text


def test_a_trained_network_beside_itself_before_and_where_its_layers_look(call: Call, tiny: Project) -> None:
    experiment, train = load_experiment("plain")
    train_experiment("plain", experiment, train, Path("data/tiny"), Path("models/none"), Path("models/plain"))
    code, out, err = call("probe", "plain", "--layers", "last")
    assert code == 0
    assert "without where its layers look; `dvc repro evaluate@plain` finds out" in err
    assert "mouth" not in out
    weights = read_config(Path("models/plain"))["weights_sha256"]
    last = out.splitlines()[-3].split()[0]
    looks = {f"layer.{last}.region.mouth": 0.123, f"layer.{last}.att_class_rank": 0.456}
    write_metrics(Path("metrics/plain.json"), {"accuracy": 0.5, "n": 4, **looks}, model=weights)
    code, out, err = call("probe", "plain", "--untrained", "--trained", "--layers", "last", "--csv", "t.csv")
    assert code == 0
    assert out.count("Expression: best in layer") == 2
    assert "0.123" in out
    assert "0.456" in out
    with Path("t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["state"], row["region.mouth"]) for row in rows] == [("untrained", ""), ("trained", "0.123")]
    write_metrics(Path("metrics/plain.json"), {"accuracy": 0.5, "n": 4, **looks}, model="0" * 64)
    code, out, err = call("probe", "plain", "--layers", "last")
    assert code == 0
    assert "without where its layers look: metrics/plain.json: of another model" in err
    assert "0.123" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plian", "--untrained"), "params.yaml: experiments has no 'plian'; did you mean plain?"),
        (("plain",), "models/plain is not trained yet; run `dvc repro train@plain`"),
        (
            ("plain", "--untrained", "--layers", "99"),
            "unknown feature layer '99': backbone 'test_resnet' has 1",
        ),
        (("plain", "--untrained", "--target", "person"), "--target: expected expression, subject, both, got 'person'"),
        (("plain", "--untrained", "--figure", "x.pdf"), "x.pdf: unknown format '.pdf'; name it .png or .svg"),
        (("plain", "--untrained", "--csv", "--json", "x.json"), "--csv needs a value"),
        (("plain", "--untrained", "--pool", "0"), "--pool"),
        ((), "EXPERIMENT"),
    ],
)
def test_a_mistake_is_one_line(call: Call, tiny: Project, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = call("probe", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not list(Path().glob("x.*"))


def test_data_that_cannot_be_probed_is_one_line(call: Call, tiny: Project) -> None:
    tiny.data(many("anger", 4) + many("happiness", 4))
    code, out, err = call("probe", "plain", "--untrained")
    assert (code, out) == (2, "")
    assert err.endswith("split 'test' has no usable faces; set datasets.tiny.test_fraction\n")
    tiny.data(faces(people=0))
    code, out, err = call("probe", "plain", "--untrained", "--target", "subject")
    assert (code, out) == (2, "")
    assert "error: data/tiny/manifest.csv: names no persons (subject)" in err


def test_the_example_of_the_help_works(call: Call, tiny: Project) -> None:
    tiny.write(au={})
    experiment, train = load_experiment("au")
    train_experiment("au", experiment, train, Path("data/tiny"), Path("models/none"), Path("models/au"))
    assert call(*example_of("fer-au probe")[1:])[0] == 0
    assert Path("probe.csv").is_file()
    assert Path("probe.svg").is_file()


def test_a_folder_without_params_is_one_line(call: Call) -> None:
    assert call("probe", "au") == (2, "", "error: params.yaml: no such file; run it in a project's folder\n")
