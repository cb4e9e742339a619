from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.guidance.__main__ import main
from benchmarks.guidance.estimates import difference_over_runs_and_images, mean_over_runs
from benchmarks.guidance.groups import find_curves, find_families, read_groups
from benchmarks.guidance.scores import HEADLINE, KEPT, TURNED, Score
from benchmarks.guidance.tables import family_tables
from fer_au.classification import balanced_accuracy, confusion_matrix
from fer_au.errors import DataError
from tests.report.project import GUIDED, Writer, experiment
from tests.report.test_robustness_section import answers_of

SHARES = (0.1, 0.25, 1.0)


def test_a_mean_over_seeds_has_students_interval() -> None:
    found = mean_over_runs([0.60, 0.62, 0.67, math.nan])
    assert (found.runs, found.value) == (3, pytest.approx(0.63))
    assert found.high - found.value == pytest.approx(
        4.3027 * np.std([0.60, 0.62, 0.67], ddof=1) / math.sqrt(3), rel=1e-4
    )
    assert math.isnan(mean_over_runs([0.6]).low)


@pytest.mark.parametrize(("seeds", "images", "of_seeds"), [(3, 300, 0.0), (3, 300, 0.05), (5, 60, 0.02), (1, 200, 0.0)])
def test_an_interval_over_seeds_and_images_covers_the_truth(seeds: int, images: int, of_seeds: float) -> None:
    generator, covered, rounds = np.random.default_rng(seeds), 0, 400
    for _ in range(rounds):
        effects = generator.normal(0, of_seeds, (seeds, 1)) + generator.normal(0, 0.2, (1, images))
        found = difference_over_runs_and_images(0.1 + effects + generator.normal(0, 0.3, (seeds, images)))
        covered += found.low < 0.1 < found.high
    assert 0.89 <= covered / rounds <= 0.985


def test_a_difference_by_class_is_that_of_the_balanced_accuracies() -> None:
    generator = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [60, 20, 4])
    answers = generator.integers(0, 3, (2, 2, len(truth)))
    one, other = ([balanced_accuracy(confusion_matrix(truth, seed, 3)) for seed in model] for model in answers)
    gaps = (answers[0] == truth).astype(float) - (answers[1] == truth)
    found = difference_over_runs_and_images(gaps, [str(label) for label in truth])
    assert found.value == pytest.approx(np.mean(one) - np.mean(other))
    assert found.low < found.value < found.high
    assert found.images == 84


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of vanilla and au on all faces, of which one was disturbed; one of each on shares; one is waiting."""
    root = tmp_path_factory.mktemp("project")
    writer = Writer(root)
    writer.dataset("faces", per_class=8)
    generator = np.random.default_rng(0)
    entries: dict[str, dict[str, Any]] = {}
    for share in SHARES:
        for method, guidance in (("van", []), ("au", GUIDED)):
            for seed in (0, 1, 2):
                name, own = f"{method}-{round(100 * share)}-{seed}", {"fraction": share} if share < 1 else {}
                group = f"{method}-{round(100 * share)}"
                entries[name] = experiment(guidance=guidance, seed=seed, group=group, train={**own, "epochs": 9})
                if seed == 2 or (seed == 1 and share < 1):
                    continue
                turned = {"yaw": generator.normal(0, 25, len(writer.rows)), "pitch": np.zeros(len(writer.rows))}
                lost = answers_of(writer, 0.8 - 0.3 * bool(guidance)) if share == 1 else None
                fits = {f"robustness.moved.{place}.accuracy": 0.8 - 0.1 * place for place in range(6)} if lost else {}
                kept = {"robustness.moved.relative_accuracy": 0.6 + 0.1 * bool(guidance)} if lost else {}
                metrics = {"ece": 0.05 + 0.01 * seed, **fits, **kept}
                writer.experiment(name, good=bool(guidance), seed=seed, answers=lost, traits=turned, **metrics)
    writer.params(entries)
    return root


def test_groups_are_compared_within_their_share_and_tied_over_shares(project: Path) -> None:
    groups = read_groups([project], [], [])
    families = find_families(groups)
    assert [(one.fraction, [group.name for group in one.groups]) for one in families] == [
        (share, [f"van-{round(100 * share)}", f"au-{round(100 * share)}"]) for share in SHARES
    ]
    assert [one.reference.name for one in families if one.reference] == ["van-10", "van-25", "van-100"]
    assert families[2].groups[1].waiting == ["au-100-2"]
    (methods,) = find_curves(groups).values()
    assert [[group.name for group in groups] for groups in methods] == [
        ["van-10", "van-25", "van-100"], ["au-10", "au-25", "au-100"],
    ]  # fmt: skip
    with pytest.raises(DataError, match="nothing is evaluated"):
        read_groups([project], ["elsewhere"], [])


def test_scores_are_the_means_of_their_parts(project: Path) -> None:
    plain = next(group for group in read_groups([project], [], ["van-100"]))
    (run, _) = plain.runs.values()
    for score in TURNED[:2]:
        assert score.parts is not None
        assert np.nanmean(score.parts(run)) == pytest.approx(score.number(run), abs=1e-5)
    kept = KEPT[0].parts
    assert kept is not None
    assert np.isfinite(kept(run)).all()


def test_differences_cover_seeds_and_images_where_they_can(project: Path) -> None:
    plain, guided = read_groups([project], [], ["van-100", "au-100"])
    gap = HEADLINE[3].gap(guided, plain)
    assert gap.value == pytest.approx(0.6, abs=0.02)
    assert (gap.runs, gap.images) == (2, 24)
    calibration = Score("ece", "ece").gap(guided, plain)
    assert (calibration.runs, calibration.images, calibration.value) == (2, 0, pytest.approx(0))
    kept = KEPT[0].gap(guided, plain)
    assert kept.low > 0  # of 80 and of 50 % of the faces the answer is lost


def test_the_page_and_its_figures(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(project), "--output", str(tmp_path / "t.md"), "--figures", str(tmp_path / "figures")])
    text = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert "## faces, resnet10t, 10% of the training faces" in text
    assert "- `au-100` (au): seed 0, seed 1; 33 test images; waiting: au-100-2" in text
    assert "### Turned heads: accuracy" in text
    assert "| *au-100 − van-100* |" in text
    assert "## faces, resnet10t: accuracy by the share of the training faces" in text
    by_share = text.partition("## faces, resnet10t: balanced by the share of the training faces\n\n")[2].splitlines()
    assert by_share[0] == "|  | 10% | 25% | 100% |"
    assert [line.split(" | ")[0] for line in by_share[2:5]] == ["| van", "| au", "| *au − van*"]
    assert "nan" not in text
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {"disturbances-faces-resnet10t.svg", "fractions.svg"}
    first = (tmp_path / "figures/fractions.svg").read_bytes()
    main([str(project), "--groups", "van-100,au-100,van-10,au-10,van-25,au-25", "--figures", str(tmp_path / "figures")])
    assert (tmp_path / "figures/fractions.svg").read_bytes() == first
    assert "| van-100 |" in capsys.readouterr().out


def test_audits_have_a_row_for_each_map_and_single_seeds_intervals_over_images(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.dataset("faces", per_class=8)

    def audited(gain: float, fresh: float, survives: int) -> dict[str, float]:
        found = {"audit.randomisation.5.rank.cam.native": fresh, "audit.survives.cam.native": survives}
        for name, value in {"deletion.att": gain, "road.cam.native": -gain, "deletion.baseline.blank": 1.0}.items():
            found |= {f"audit.gain.{name}": value, f"interval.audit.gain.{name}.low": value - 0.1}
            found |= {f"interval.audit.gain.{name}.high": value + 0.1}
        return found

    writer.experiment("van", good=False, **audited(0.2, 0.9, 1))
    for seed, gain in enumerate((0.30, 0.31)):
        writer.experiment(f"au-{seed}", good=True, seed=seed, **audited(gain, 0.1, 0))
    repeats = {f"au-{seed}": experiment(guidance=GUIDED, seed=seed, group="au") for seed in (0, 1)}
    writer.params({"van": experiment(guidance=[]), **repeats})
    (family,) = find_families(read_groups([tmp_path], [], []))
    table = family_tables(family).partition("### Audits of the maps\n\n")[2].splitlines()
    assert table == [
        "|  | map | deletion | insertion | ROAD | fresh weights |",
        "|---|---|---|---|---|---|",
        "| van | attention | **.200 [.100, .300]** | - | - | - |",
        "| van | native | - | - | −.200 [−.300, −.100] | .900 (survives) |",
        "| au | attention | **.305 [.241, .369]** | - | - | - |",
        "| au | native | - | - | −.305 [−.369, −.241] | .100 [.100, .100] |",
    ]
