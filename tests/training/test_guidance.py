"""Guidance losses: sources of attention, schedule, several processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from fer_au.batches.faces import Batch
from fer_au.errors import ConfigError
from fer_au.maps import channel_mean, min_max
from fer_au.models import create_model
from fer_au.resizing import resize_maps
from fer_au.training.losses.base import LOSSES, GuidanceLoss, create_loss, list_losses
from tests.core.resizing_by_hand import resize_plane
from tests.training.guided import SIZE, build, of_class, run, shares, still, value


class TestSources:
    @pytest.mark.parametrize("loss", list_losses())
    def test_features_are_the_channel_means_averaged_over_layers(self, dataset_dir: Path, loss: str) -> None:
        guidance, model, faces = build(dataset_dir, {"loss": loss, "layers": ["3", "last"]})
        batch = faces.batch(range(10, 18))
        output = run(model, batch)
        expected = []
        for layer in ("3", model.layers[-1]):
            attention = channel_mean(output.features[layer])
            target = resize_maps(batch.maps / 255, attention.shape[1:])
            target = 1 - target if loss in ("mass", "mass_sum") else target
            attention = 0.01 + 0.98 * min_max(attention) if loss == "bce" else attention
            expected.append(create_loss(loss)(attention, target, batch.valid).item())
        assert value(guidance, output, batch)["loss_au"].item() == pytest.approx(np.mean(expected), rel=1e-5)

    def test_the_loss_gets_its_options_and_the_time(self, dataset_dir: Path) -> None:
        entry = {"loss": "cosine_barrier", "loss_options": {"growth": 2.0}}
        guidance, model, faces = build(dataset_dir, entry, {"loss": "cosine"})
        batch = faces.batch(range(10, 18))
        output = run(model, batch)
        attention = channel_mean(output.features[model.layers[-1]])
        target = resize_maps(batch.maps / 255, attention.shape[1:])
        for time, t in ((0.5, 1.0), (2.5, 4.0), (9.0, 10.0)):
            found = value(guidance, output, batch, time)["loss_au"].item()
            fixed = create_loss("cosine_barrier", first=t, last=t)
            assert found == pytest.approx(fixed(attention, target, batch.valid).item(), rel=1e-5)
        first = value(guidance, output, batch, 0.5)
        assert first["loss_au"].item() == pytest.approx(first["loss_au_2"].item(), rel=1e-5)

    def test_a_wrong_option_of_a_loss_is_named_by_its_key(self, dataset_dir: Path) -> None:
        with pytest.raises(
            ConfigError, match=r"guidance\.1\.loss_options\.growht: unknown key; did you mean growth\?$"
        ):
            build(dataset_dir, {}, {"loss": "cosine_barrier", "loss_options": {"growht": 2}})

    @pytest.mark.parametrize("source", [{"layers": ["2", "last"]}, {"source": "cam"}])
    def test_a_published_frame_moves_the_cue_and_nothing_else(self, dataset_dir: Path, source: dict[str, Any]) -> None:
        guidance, model, faces = build(
            dataset_dir, {"resize": "published", **source}, {"resize": "corrected", **source}, source
        )
        batch = faces.batch(range(10, 18))
        output = run(model, batch)
        maps = [output.features[layer].mean(1) for layer in model.resolve_layers(("2", "last"))]
        if "source" in source:
            maps = [
                torch.einsum("nchw,nc->nhw", output.features[model.layers[-1]], model.head.linear.weight[batch.labels])
            ]
        expected = []
        for attention in maps:
            drawn = [resize_plane(own / 255, SIZE, SIZE, published=False) for own in batch.maps.numpy()]
            cue = np.array([resize_plane(own, *attention.shape[1:], published=True) for own in drawn], np.float32)
            expected.append(create_loss("cosine")(attention, torch.from_numpy(cue), batch.valid).item())
        losses = value(guidance, output, batch)
        assert losses["loss_au"].item() == pytest.approx(np.mean(expected), rel=1e-5)
        assert losses["loss_au_2"].item() == losses["loss_au_3"].item() != losses["loss_au"].item()

    @pytest.mark.parametrize("loss", ["cosine", "bce"])
    def test_cam_is_the_map_of_the_true_class_weighted_by_shares(self, dataset_dir: Path, loss: str) -> None:
        guidance, model, faces = build(dataset_dir, {"loss": loss, "source": "cam"})
        batch = faces.batch(range(10, 18))
        output = run(model, batch)
        labels = 0.75 * shares(batch) + 0.25 * shares(batch).flip(0)
        weights = model.head.linear.weight
        mixed = torch.einsum("nk,kc->nc", labels, weights)
        attention = torch.einsum("nchw,nc->nhw", output.features[model.layers[-1]], mixed)
        attention = attention.sigmoid() if loss == "bce" else attention
        expected = create_loss(loss)(attention, resize_maps(batch.maps / 255, attention.shape[1:]), batch.valid)
        targets = guidance.targets(batch, still(8))
        found = guidance.losses(output, targets, labels, 0)["loss_au"]
        assert found.item() == pytest.approx(expected.item(), rel=1e-4)

    def test_a_cam_loss_reaches_classifier_and_backbone(self, dataset_dir: Path) -> None:
        guidance, model, faces = build(dataset_dir, {"source": "cam"})
        batch = faces.batch(range(10, 18))
        value(guidance, run(model, batch), batch)["loss_au"].backward()
        assert model.head.linear.weight.grad.abs().sum() > 0
        assert next(model.backbone.parameters()).grad.abs().sum() > 0

    def test_module_is_the_heads_own_map(self, dataset_dir: Path) -> None:
        guidance, model, faces = build(dataset_dir, {"source": "module", "loss": "bce"}, head="lan")
        batch = faces.batch(range(10, 18))
        output = run(model, batch)
        target = resize_maps(batch.maps / 255, output.attention.shape[1:])
        valid = batch.valid
        expected = functional.binary_cross_entropy(output.attention[valid], target[valid])
        loss = value(guidance, output, batch)["loss_au"]
        assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.head.attention.parameters())

    def test_a_head_without_a_map_is_refused_before_training(self, dataset_dir: Path) -> None:
        with pytest.raises(ConfigError, match=r"guidance\.1\.source: 'gap' has no attention map of its own"):
            build(dataset_dir, {}, {"source": "module"})

    def test_a_modules_map_without_bounds_is_stretched_for_bce(
        self, dataset_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from fer_au.models.heads.lan import LanHead

        original = LanHead.forward

        def unbounded(self: LanHead, *args: Any) -> Any:
            scores = original(self, *args)
            return scores._replace(attention=40 * scores.attention - 10)

        monkeypatch.setattr(LanHead, "forward", unbounded)
        guidance, model, faces = build(dataset_dir, {"source": "module", "loss": "bce"}, head="lan")
        batch = faces.batch(range(10, 18))
        output = run(model, batch)
        attention = 0.01 + 0.98 * min_max(output.attention)
        expected = create_loss("bce")(attention, resize_maps(batch.maps / 255, attention.shape[1:]), batch.valid)
        assert value(guidance, output, batch)["loss_au"].item() == pytest.approx(expected.item(), rel=1e-5)

    def test_looking_for_a_map_leaves_the_model_alone(self, dataset_dir: Path) -> None:
        _, model, _ = build(dataset_dir, {"source": "module"}, head="lan")
        fresh = create_model(model.config, model.classes, seed=0)
        assert all(torch.equal(value, fresh.state_dict()[name]) for name, value in model.state_dict().items())
        assert model.training

    @pytest.mark.parametrize("source", ["features", "cam"])
    def test_losses_are_float32_under_autocast(self, dataset_dir: Path, source: str) -> None:
        guidance, model, faces = build(dataset_dir, {"source": source})
        batch = faces.batch(range(10, 18))
        with torch.autocast("cpu", torch.bfloat16):
            output = run(model, batch)
            inside = value(guidance, output, batch)["loss_au"]
        assert inside.dtype == torch.float32
        assert torch.equal(inside, value(guidance, output, batch)["loss_au"])


class TestSchedule:
    def test_start_end_and_warmup(self, dataset_dir: Path) -> None:
        entry = {"weight": 4.0, "start_epoch": 2, "end_epoch": 6, "warmup_epochs": 2}
        guidance, model, faces = build(dataset_dir, entry)
        batch = faces.batch(range(10, 18))
        output = run(model, batch)
        unweighted = value(guidance, output, batch, 3)["loss_au"].item()
        found = {
            time: float(torch.as_tensor(guidance.weighted(value(guidance, output, batch, time), time)).detach())
            / unweighted
            for time in (0, 1.99, 2, 2.5, 3, 4, 5.99, 6, 9)
        }
        expected = {0: 0, 1.99: 0, 2: 0, 2.5: 1, 3: 2, 4: 4, 5.99: 4, 6: 0, 9: 0}
        assert found == pytest.approx(expected)


class TestProcesses:
    @pytest.mark.parametrize("source", ["features", "cam"])
    def test_the_mean_of_two_processes_gradients_is_that_of_the_whole_batch(
        self, dataset_dir: Path, source: str
    ) -> None:
        guidance, model, faces = build(dataset_dir, {"source": source})
        model.eval()  # statistics of the batch would differ in any case
        neutral, anger = of_class(faces, "neutral"), of_class(faces, "anger")
        parts = [faces.batch([*anger[:3], neutral[0]]), faces.batch([*neutral[1:4], anger[3]])]
        whole = faces.batch([*anger[:3], neutral[0], *neutral[1:4], anger[3]])

        def gradient(batch: Batch, **options: Any) -> torch.Tensor:
            model.zero_grad()
            value(guidance, run(model, batch), batch, **options)["loss_au"].backward()
            return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

        expected = gradient(whole)
        naive = torch.stack([gradient(part) for part in parts]).mean(0)

        def mean_count(count: torch.Tensor) -> torch.Tensor:
            return (count + (4 - count)) / 2  # 3 valid faces and 1: 4 over two processes

        scaled = torch.stack([gradient(part, mean_count=mean_count) for part in parts]).mean(0)
        torch.testing.assert_close(scaled, expected, rtol=1e-4, atol=1e-7)
        assert not torch.allclose(naive, expected, rtol=1e-2)

    def test_no_valid_face_anywhere_is_zero_with_a_graph(self, dataset_dir: Path) -> None:
        guidance, model, faces = build(dataset_dir, {})
        batch = faces.batch(of_class(faces, "neutral")[:4])
        loss = value(guidance, run(model, batch), batch)["loss_au"]
        assert loss.item() == 0
        assert loss.requires_grad


def test_a_loss_of_another_package_says_what_it_wants(dataset_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Outside(GuidanceLoss):
        unit_interval = True
        avoids = True

        def compare(self, attention: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            assert attention.min() >= 0.01
            assert attention.max() <= 0.99
            return (weight * attention * target).sum(dim=1)

    monkeypatch.setitem(LOSSES._entries, "outside", Outside)
    guidance, model, faces = build(dataset_dir, {"loss": "outside"})
    batch = faces.batch(range(10, 18))
    output = run(model, batch)
    attention = 0.01 + 0.98 * min_max(channel_mean(output.features[model.layers[-1]]))
    elsewhere = 1 - resize_maps(batch.maps / 255, attention.shape[1:])
    expected = (attention * elsewhere).sum((1, 2))[batch.valid].mean()
    assert value(guidance, output, batch)["loss_au"].item() == pytest.approx(expected.item(), rel=1e-5)
