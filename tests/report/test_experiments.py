"""The verdict of many experiments: the plain twin of each, the sentence about all of them, and the cards of models."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fer_au.evaluation import PairedDifference
from fer_au.models import create_model
from fer_au.report import write_report
from fer_au.report.collect import Experiment, read_project
from fer_au.report.model_cards import count_parameters, model_cards
from fer_au.results.differences import Comparison, plain_twin, summary_sentence

from .project import GUIDED, Writer, experiment

MakeParams = Callable[..., Path]


def fake(name: str, **changes: Any) -> Experiment:
    from fer_au.config.experiments import ExperimentConfig

    config = ExperimentConfig.model_validate(experiment(**changes))
    return Experiment(name, config, {}, None, (), history={}, model={})  # type: ignore[arg-type]


def test_a_guided_experiment_is_compared_with_the_plain_one_most_like_it() -> None:
    large, small = {"backbone": "resnet50"}, {"backbone": "resnet10t"}
    plain = [fake(f"{one['backbone']}-{seed}", model=one, seed=seed) for one in (small, large) for seed in range(2)]
    everyone = [
        *plain,
        fake("au", model=large, seed=1, guidance=GUIDED),
        fake("odd", model={"backbone": "vgg16"}, seed=1, guidance=GUIDED),
    ]
    assert plain_twin(everyone[4], everyone) is plain[3]
    assert plain_twin(everyone[5], everyone) is plain[1]  # of another network; at least the same seed
    assert plain_twin(plain[2], everyone) is plain[0]
    assert plain_twin(plain[0], everyone) is None
    assert plain_twin(everyone[4], everyone[4:]) is None


def test_repeats_of_one_group_are_not_compared_with_each_other() -> None:
    plain = [fake(f"{name}-{seed}", group=name, seed=seed) for name in ("van", "long") for seed in range(2)]
    guided = fake("au-1", group="au", seed=1, guidance=GUIDED)
    everyone = [*plain, guided]
    twins = [plain_twin(one, everyone) for one in everyone]
    assert [one and one.name for one in twins] == [None, None, "van-0", "van-1", "van-1"]


def gap(difference: float, p: float, n: int = 40) -> PairedDifference:
    return PairedDifference(difference, difference - 0.1, difference + 0.1, p, n)


def test_one_sentence_counts_what_guidance_does() -> None:
    pairs = [(gap(0.05, 0.01), gap(0.4, 0.001)), (gap(-0.02, 0.5), gap(0.3, 0.001)), (gap(-0.06, 0.01), gap(0.0, 0.9))]
    told = summary_sentence([Comparison(f"au-{k}", "plain", *own) for k, own in enumerate(pairs)])
    assert told == (
        "Of 3 guided experiments, each beside the plain one most like it: accuracy is significantly higher in 1, "
        "significantly lower in 1, not clearly different in 1; attention agrees with the AU map significantly better "
        "in 2, not clearly different in 1. On average, guidance moves accuracy by −1.0 points and att_ccos by +0.23."
    )
    assert summary_sentence([Comparison("au", "plain", *pairs[0])]) == ""
    nothing = [Comparison("au", "plain", gap(0.0, 1.0), gap(math.nan, math.nan, 0))] * 2
    assert "att_ccos" not in summary_sentence(nothing)


def test_parameters_are_those_of_the_network(tmp_path: Path) -> None:
    model = create_model({"backbone": "test_resnet", "head": "gap"}, classes=["neutral", "anger"])
    save_file(dict(model.state_dict()), tmp_path / "model.safetensors")
    assert count_parameters(tmp_path / "model.safetensors") == sum(one.numel() for one in model.parameters())
    assert count_parameters(tmp_path / "none.safetensors") is None
    (tmp_path / "bad.safetensors").write_bytes(b"\xff" * 64)
    assert count_parameters(tmp_path / "bad.safetensors") is None
    assert torch.get_default_dtype() is torch.float32


def test_cards_say_what_is_known_and_what_limits_it(make_params: MakeParams, tmp_path: Path) -> None:
    project = read_project(make_params(), tmp_path)
    cards = model_cards(project.experiments, {"vanilla": "no guidance", "au": "au · cosine"}, tmp_path / "models")
    assert [card.name for card in cards] == ["vanilla", "au"]
    facts = dict(cards[1].facts)
    assert facts["network"] == "resnet10t"
    assert facts["guidance"] == "au · cosine"
    assert facts["data"] == "faces; 4 expressions; scored on 17 images of split test"
    assert facts["scores"].startswith("accuracy 0.750")
    assert any("class-mean map" in text for text in cards[1].remarks)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of fourteen experiments, two of each group."""
    writer = Writer(tmp_path_factory.mktemp("many"))
    writer.dataset("faces", per_class=2)
    experiments = {}
    for seed in range(2):
        for number, method in enumerate(("plain", *(f"au-{k}" for k in range(6)))):
            name = f"{method}-seed-{seed}"
            guided = [{**GUIDED[0], "landmark_noise": number / 10}] if number else []
            writer.experiment(name, good=bool(number), seed=number * 2 + seed, cams=())
            experiments[name] = experiment(guidance=guided, seed=seed, group=method)
    write_report(writer.params(experiments), writer.root, writer.root / "page.html")
    return (writer.root / "page.html").read_text()


def test_a_head_without_a_map_of_its_own_has_no_row_of_such_maps(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.dataset("faces", per_class=2)
    writer.experiment("plain", good=False, seed=0)
    writer.experiment("looks", good=True, seed=1, module=True, **{"module.att_ccos": 0.2})
    write_report(writer.params({"plain": experiment(), "looks": experiment()}), tmp_path, tmp_path / "page.html")
    table = (tmp_path / "page.html").read_text().partition("Attention maps that heads make")[2].partition("</table>")[0]
    assert re.findall('<tr data-name="([a-z]+)', table) == ["looks"]


def test_many_experiments_stay_readable(many: str) -> None:
    assert "Of 12 guided experiments, each beside the plain one most like it" in many
    verdict = many.partition('id="verdict"')[2].partition("</section>")[0]
    assert verdict.index("Groups of repeats") < verdict.index("Attention of the last layer")
    assert "Differences to the most similar experiment without guidance" in verdict
    assert verdict.count('<details class="modelcard"') == 14
    assert 'title="plain-seed-0">seed-0</span>' in verdict  # beside its group's name
    colours = {f'class="chip c{index}"' in verdict for index in range(14)}
    assert colours == {True}
    training = many.partition('id="training"')[2].partition("</section>")[0]
    assert training.count('class="keys shared"') == 1
    assert training.count('class="keys"') == 0


def test_values_to_sort_by_are_numbers(many: str) -> None:
    import re

    values = [float(value) for value in re.findall(r'data-value="([^"]*)"', many)]
    assert len(values) > 14
    assert np.isfinite(values).any()
