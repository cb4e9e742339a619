from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.results.writer import ResultsWriter


@pytest.fixture
def project(call: Call) -> ResultsWriter:
    """A project in the current folder."""
    writer = ResultsWriter(Path())
    writer.evaluate("vanilla", wrong=3)
    for seed in range(2):
        writer.name(f"au-{seed}", group="au", seed=seed)
        writer.evaluate(f"au-{seed}", wrong=1 + seed)
    writer.name("later")
    writer.evaluate_cross("there", "au-0", accuracy=0.5, n=8)
    writer.lock()
    return writer


def test_the_table_is_shown_and_written(call: Call, project: ResultsWriter) -> None:
    code, out, err = call("results", "--csv", "t.csv", "--md", "out/t.md", "--latex", "t.tex")
    assert code == 0
    assert err == "t.csv: 5 rows\nout/t.md: 5 rows\nt.tex: 5 rows\n"
    assert max(map(len, out.splitlines())) <= 80
    assert [line.split()[0] for line in out.splitlines()[:5]] == ["experiment", "vanilla", "au-0", "au-1", "later"]
    assert "there  other" in out
    with Path("t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["vanilla", "au-0", "au-1", "later", "there"]
    assert Path("out/t.md").read_text().startswith("| experiment |")
    assert "\\toprule" in Path("t.tex").read_text()


def test_groups_and_the_order_of_rows(call: Call, project: ResultsWriter) -> None:
    code, out, _ = call("results", "--group", "--sort", "accuracy")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[:4]] == ["group", "au", "vanilla", "later"]
    code, _, err = call("results", "--sort", "acuracy")
    assert (code, err.count("\n")) == (2, 1)
    assert "did you mean accuracy" in err


def test_one_experiment_in_words_and_its_images(call: Call, project: ResultsWriter) -> None:
    code, out, _ = call("results", "vanilla")
    assert code == 0
    assert "75.00 %" in out
    assert "Beside" not in out
    code, out, _ = call("results", "au-1")
    assert code == 0
    assert "Beside vanilla, au-1 has " in (text := " ".join(out.split()))
    assert "+8.3 (95 % interval" in text
    assert "That shows nothing: on 12 test images, a difference below " in text
    code, out, _ = call("results", "vanilla", "--images", "images.csv")
    assert (code, out) == (0, "images.csv: 12 images\n")
    assert Path("images.csv").read_text().startswith("id,true,predicted,confidence,probability.neutral,")
    assert call("results", "there")[0] == 0


def test_a_damaged_file_is_one_line_after_the_table(call: Call, project: ResultsWriter) -> None:
    Path("metrics/vanilla.json").write_text("{")
    Path("evaluation/au-0.h5").write_bytes(b"")
    code, out, err = call("results", "--csv", "t.csv")
    assert code == 2
    assert out.count("can't be read") == 2
    last = err.splitlines()[-1]
    assert last.startswith("error: metrics/vanilla.json: ")
    assert "evaluation/au-0.h5" in last
    assert err.count("\n") == 2
    code, out, err = call("results", "vanilla")
    assert (code, out) == (2, "")
    assert err.startswith("error: metrics/vanilla.json: ")


def test_changed_settings_and_strays_are_said_in_one_line_each(call: Call, project: ResultsWriter) -> None:
    assert call("results")[2] == ""
    project.sections["train"] = {"epochs": 3}
    project.experiments["plain"] = project.experiments.pop("vanilla")
    project.params()
    code, out, err = call("results")
    assert code == 0
    assert err == (
        "au-0, au-1, there: params.yaml has changed since (train.epochs); run `dvc repro`\n"
        "metrics/vanilla.json: not shown, as params.yaml names nothing so; delete what nobody needs\n"
    )
    assert "au-0 † " in out
    assert "later †" not in out
    for arguments in (["au-0"], ["au-0", "--images", "x.csv"]):
        code, _, err = call("results", *arguments)
        assert (code, err) == (0, "au-0: params.yaml has changed since (train.epochs); run `dvc repro`\n")


def test_published_numbers_of_another_params_file_are_pointed_at(call: Call, project: ResultsWriter) -> None:
    path = project.publish(
        {"row": "A", "experiment": "vanilla", "metrics": {"accuracy": 0.8}}, name="params.lan.published.yaml"
    )
    code, out, err = call("results")
    assert code == 0
    assert "-5.00" not in out
    assert err == f"{path}: published numbers of another params file; add --published {path}\n"
    code, out, err = call("results", "--published", str(path))
    assert (code, err) == (0, "")
    assert "-5.00" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vanila",), "experiments and cross have no 'vanila'; did you mean vanilla?"),
        (("au",), "au is a group (au-0, au-1); name one of these"),
        (("--csv", "x.csv", "--md", "./x.csv"), "x.csv: unknown format '.csv'; name it .md"),
        (("--csv", "evaluation"), "evaluation: unknown format ''; name it .csv"),
        (("later",), "later is not evaluated yet; run `dvc repro`"),
        (("vanilla", "--group"), "--group belongs to the table of all experiments"),
        (("vanilla", "--csv", "x.csv"), "--csv belongs to the table of all experiments"),
        (("--images", "x.csv"), "--images belongs to one experiment"),
        (("vanilla", "--images", "x.xlsx"), "name it .csv"),
        (("--published", "none.yaml"), "none.yaml: no such file"),
        (("--csv",), "requires an argument"),
    ],
)
def test_a_mistake_is_one_line(call: Call, project: ResultsWriter, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = call("results", *arguments)
    assert code == 2
    assert not out
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not list(Path().glob("x.*"))


def test_a_folder_without_params_is_one_line(call: Call) -> None:
    assert call("results") == (2, "", "error: params.yaml: no such file; run it in a project's folder\n")


def test_torch_is_not_loaded(call: Call, project: ResultsWriter) -> None:
    code = "import sys\nfrom fer_au.cli import main\ntry:\n main()\nexcept SystemExit:\n print('torch' in sys.modules)"
    for arguments in (["results", "--group"], ["results", "vanilla"], ["results", "vanilla", "--images", "x.csv"]):
        ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert ended.stdout.splitlines()[-1] == "False"


def test_a_model_on_another_data_set_has_its_answers_and_a_comparison(call: Call, project: ResultsWriter) -> None:
    project.evaluate_cross("plain", "vanilla", wrong=5, accuracy=0.5)
    project.experiments["au-0"]["guidance"] = [{"cue": "au", "loss": "cosine", "layers": ["last"]}]
    project.evaluate_cross("guided", "au-0", wrong=0, accuracy=1.0)
    project.params()
    assert call("results", "guided", "--images", "x.csv")[:2] == (0, "x.csv: 12 images\n")
    with Path("x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["predicted"] for row in rows] == [row["true"] for row in rows]
    told = " ".join(call("results", "guided")[1].split())
    assert "model of experiment 'au-0', scored on 12 images of split 'test' of data set 'other'" in told
    assert "Beside plain, guided has " in told
    assert "Its accuracy is higher: +41.7 (95 % interval " in told
    assert "Beside" not in call("results", "plain")[1]


def test_classes_without_an_image_are_named(call: Call, project: ResultsWriter) -> None:
    project.evaluate("short", images=2)
    project.evaluate_cross("away", "au-0", accuracy=0.5, n=1)
    project.params()
    told = {name: " ".join(call("results", name)[1].split()) for name in ("short", "away", "vanilla", "there")}
    assert "3 classes (neutral, happiness, anger); no image of: anger." in told["short"]
    assert "1 image of split 'test' of data set 'other'" in told["away"]
    assert "no image of: happiness, anger." in told["away"]
    assert all("no image of" not in told[name] for name in ("vanilla", "there"))
