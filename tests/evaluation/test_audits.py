from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.functional.regression import spearman_corrcoef

from fer_au.cam.methods import Native as NativeCam
from fer_au.config.audits import AUDITS, chosen_audits
from fer_au.config.experiments import EvaluateConfig
from fer_au.config.reading import validate
from fer_au.errors import ConfigError
from fer_au.evaluation.audit_metrics import (
    GAUSSIAN,
    REFERENCES,
    FaithfulnessAudit,
    RandomisationAudit,
    audit_metrics,
    faithfulnesses,
    randomisations,
)
from fer_au.evaluation.map_similarity import rank_correlation, structural_similarity
from fer_au.evaluation.randomisation import fresh_network, randomised_states
from fer_au.evaluation.road import remove_and_debias
from fer_au.glossary import look_up, metric_fault
from fer_au.models import create_model, load_model, save_model
from fer_au.stores import Store
from tests.evaluation.conftest import LABELS, model_meta, write_history
from tests.evaluation.evaluating import evaluate

PLAIN = EvaluateConfig(cams=("native",), attention_layers=("last",), moved=False, faithfulness_images=0, batch_size=7)
CONFIG = PLAIN.model_copy(update={"audits": "all", "audit_images": 3})
MAPS = ("att", "cam.native")


def audit_columns(store: Store) -> dict[str, np.ndarray]:
    return {name: np.asarray(store[name]) for name in store.columns if name.startswith("audit/")}


def audited(metrics):
    return {key: value for key, value in metrics.items() if "audit." in key}


@pytest.fixture(scope="module")
def evaluated(tiny_dataset, tiny_model, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    metrics = evaluate(CONFIG, tiny_dataset, tiny_model, out)
    return metrics, Store.open(out / "evaluation" / "x.h5", "evaluation")


def test_nothing_is_audited_unless_it_is_asked_for(tiny_dataset, tiny_model, tmp_path):
    assert not audited(evaluate(PLAIN, tiny_dataset, tiny_model, tmp_path))
    assert not audit_columns(Store.open(tmp_path / "evaluation" / "x.h5", "evaluation"))


def test_every_audit_has_its_metrics_each_known_and_in_range(evaluated):
    metrics = audited(evaluated[0])
    assert metrics["audit.n"] == 3
    for name in MAPS:
        assert {f"audit.randomisation.{step}.ssim.{name}" for step in range(1, 6)} <= metrics.keys()
        assert metrics[f"audit.survives.{name}"] in (0, 1)
    for name in (*MAPS, *REFERENCES):
        assert f"audit.road.{name}" in metrics
        assert (f"audit.gain.deletion.{name}" in metrics) == (name != GAUSSIAN)
    assert all(look_up(key)[0] != "Other" for key in metrics)
    assert [fault for key, value in metrics.items() if (fault := metric_fault(key, value))] == []


def test_metrics_can_be_recomputed_from_the_store(evaluated):
    metrics, store = evaluated
    columns = audit_columns(store)
    again = audit_metrics(columns)
    assert again.keys() == audited(metrics).keys()
    for key, value in again.items():
        assert metrics[key] == pytest.approx(value, abs=1e-5), key
    deletion = columns["audit/faithfulness/att"][:, 0]
    assert metrics["audit.deletion.att"] == pytest.approx(np.nanmean(deletion), abs=1e-5)
    assert np.isfinite(deletion).sum() == 3


def test_attention_depends_on_the_head_not_at_all_and_a_cam_does(evaluated):
    """The attention of the last layer lies below the head, so that fresh weights of it change nothing."""
    found = randomisations(audit_columns(evaluated[1]))
    assert found["att"].steps["rank"][0].difference == pytest.approx(1)
    assert found["att"].steps["ssim"][0].difference == pytest.approx(1)
    assert found["cam.native"].steps["rank"][0].difference < 0.9
    assert 0 < found["att"].steps["rank"][-1].difference < 0.99


def test_the_batch_size_and_the_other_audit_decide_nothing(evaluated, tiny_dataset, tiny_model, tmp_path):
    for number, audit in enumerate(AUDITS):
        config = CONFIG.model_copy(update={"batch_size": 4, "audits": (audit,)})
        other = audited(evaluate(config, tiny_dataset, tiny_model, tmp_path / str(number)))
        assert len(other) > 40
        for key, value in other.items():
            assert evaluated[0][key] == pytest.approx(value, abs=2e-3), key


def test_a_map_that_ignores_the_weights_survives(tiny_dataset, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(NativeCam, "maps", lambda _, batch: batch.images[:, :3].mean(dim=1))
    config = CONFIG.model_copy(update={"audits": ("randomisation",)})
    metrics = evaluate(config, tiny_dataset, tiny_model, tmp_path)
    assert metrics["audit.survives.cam.native"] == 1
    for step in range(1, 6):
        assert metrics[f"audit.randomisation.{step}.rank.cam.native"] == pytest.approx(1)
        assert metrics[f"audit.randomisation.{step}.ssim.cam.native"] == pytest.approx(1)
    assert metrics["audit.unrelated.rank.cam.native"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("full", "unrelated", "survives"),
    [(0.1, 0.05, False), (0.9, 0.3, True), (0.6, 0.9, False), (0.9, 0.9, True), (0.4, 0.4, False)],
)
def test_a_map_survives_that_is_clearly_below_neither_bound(full, unrelated, survives, rng):
    values = np.zeros((40, 6, 3))
    values[:, 4] = full + rng.normal(0, 0.02, (40, 1))
    values[:, 5] = unrelated + (values[:, 4] - full)
    assert RandomisationAudit.of(values).survives is survives


def test_a_gaussian_is_beaten_where_the_interval_says_so(rng):
    gaussian = np.tile([0.3, 0.6, 0.4, 0.6], (40, 1)) + rng.normal(0, 0.1, (40, 1))
    own = gaussian + np.array([-0.1, 0.0, -0.1, 0.1]) + rng.normal(0, 0.02, (40, 4))
    found = FaithfulnessAudit.of(own, gaussian)
    assert [found.beats_gaussian(name) for name in ("deletion", "road")] == [True, True]
    assert found.gains["deletion"].difference == pytest.approx(0.1, abs=0.02)
    assert found.gains["insertion"].low < found.gains["insertion"].high < 0.02
    assert not FaithfulnessAudit.of(gaussian, gaussian).beats_gaussian("deletion")


def test_weights_go_from_the_scores_to_the_picture(tiny_model):
    model = load_model(tiny_model)[0]
    trained, fresh = model.state_dict(), fresh_network(model, 9).state_dict()
    states = randomised_states(trained, fresh)
    taken = [{key for key in state if state[key] is fresh[key]} for state in states]
    assert {key.partition(".")[0] for key in taken[0]} == {"head"}
    assert all(one < two for one, two in pairwise(taken))
    assert taken[-1] == trained.keys()
    order = list(trained)
    assert order[0] not in taken[3]  # the layer that sees the picture goes last
    assert all(
        state[key] is trained[key] for state, own in zip(states, taken, strict=True) for key in state.keys() - own
    )


def test_fresh_networks_are_of_the_same_seed_and_leave_the_random_state(tiny_model):
    model = load_model(tiny_model)[0]
    before = torch.random.get_rng_state()
    one, two, other = (fresh_network(model, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_similarities_are_those_of_torchmetrics(rng):
    maps, others = rng.random((4, 28, 28)), rng.random((4, 28, 28))
    others[:2] = np.clip(maps[:2] + rng.normal(0, 0.1, (2, 28, 28)), 0, 1)
    pictures = [torch.from_numpy(one)[:, None] for one in (maps, others)]
    reference = structural_similarity_index_measure(*pictures, data_range=1.0, reduction="none")
    np.testing.assert_allclose(structural_similarity(maps, others), reference.numpy(), atol=1e-6)
    ranks = spearman_corrcoef(*(torch.from_numpy(one.reshape(4, -1).T) for one in (maps, others)))
    np.testing.assert_allclose(rank_correlation(maps, others), ranks.numpy(), atol=1e-6)


def test_similarities_of_maps_without_a_shape():
    level, ramp = np.zeros((1, 28, 28)), np.arange(784.0).reshape(1, 28, 28) / 783
    assert rank_correlation(level, level + 1) == 1
    assert rank_correlation(level, ramp) == 0
    assert rank_correlation(ramp, -ramp) == pytest.approx(-1)
    assert rank_correlation(ramp, ramp**3) == pytest.approx(1)
    assert np.isnan(rank_correlation(ramp, ramp * np.nan))
    assert structural_similarity(level, level) == 1
    assert structural_similarity(ramp, ramp) == pytest.approx(1)
    assert structural_similarity(ramp, 1 - ramp) < 0


def texture_model(images: torch.Tensor) -> torch.Tensor:
    """Class 1 by how much of the left half's checkerboard is still there; filling it smoothly takes it away."""
    left = images[:, 0, :, :8]
    share = (left[:, :, 1:] - left[:, :, :-1]).abs().mean(dim=(1, 2)).clamp(0, 1)
    return torch.stack([1 - share, share], dim=1)


def test_the_truth_loses_most_and_leaves_most_and_its_opposite_least():
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    images = ((rows + columns) % 2).float().expand(2, 3, 16, 16).clone()
    truth = torch.zeros(2, 16, 16)
    truth[..., :8] = 1
    found = {
        name: remove_and_debias(texture_model, images, maps)
        for name, maps in {"truth": truth, "blank": torch.ones_like(truth), "opposite": 1 - truth}.items()
    }
    assert (found["truth"].morf < found["blank"].morf).all()
    assert (found["blank"].morf < found["opposite"].morf).all()
    np.testing.assert_array_less(0.85, found["truth"].lerf - found["truth"].morf + 0.5)
    np.testing.assert_allclose(found["truth"].lerf, found["opposite"].morf, atol=0.1)
    alone = remove_and_debias(texture_model, images[:1], truth[:1], batch_size=1)
    assert alone.morf == pytest.approx(found["truth"].morf[:1], abs=1e-6)


def test_removed_pixels_leave_no_outline_and_the_second_view_stays():
    seen = []

    def watching(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return torch.full((len(images), 2), 0.5)

    images = torch.full((1, 4, 16, 16), 0.7)
    images[:, 3:] = torch.rand(1, 1, 16, 16)
    found = remove_and_debias(watching, images, torch.rand(1, 4, 4), channels=3)
    removed = torch.cat(seen[1:])
    assert (removed[:, :3] - 0.7).abs().max() < 0.06  # the noise alone
    assert (removed[:, :3] - 0.7).abs().max() > 0
    assert (removed[:, 3:] == images[:, 3:]).all()
    assert found.morf == found.lerf == 0.5
    assert len(remove_and_debias(watching, images[:0], torch.rand(0, 4, 4)).morf) == 0


def test_grey_networks_and_one_class_without_a_mean_map_are_audited(make_dataset, tmp_path):
    data = make_dataset({"train": 3, "test": 3}, labels=("neutral",))
    model = create_model({"backbone": "test_resnet", "output_stride": 8, "in_chans": 1}, LABELS, seed=0)
    meta = model_meta()
    meta["preprocessing"] |= {"channels": 1}
    save_model(tmp_path / "grey", model, meta)
    write_history(tmp_path / "grey")
    metrics = evaluate(CONFIG, data, tmp_path / "grey", tmp_path)
    assert metrics["audit.n"] == 3
    found = faithfulnesses(audit_columns(Store.open(tmp_path / "evaluation" / "x.h5", "evaluation")))
    assert found["att"].areas["road"].n == 3
    assert "baseline.class_mean" not in found


def test_names_are_strict_and_every_choice_is_a_list():
    assert chosen_audits("all") == AUDITS
    with pytest.raises(ConfigError, match=r"evaluate\.audits\.0: should be 'randomisation' or 'faithfulness'"):
        validate(EvaluateConfig, {"audits": ["randomization"]}, "evaluate", "params.yaml")
