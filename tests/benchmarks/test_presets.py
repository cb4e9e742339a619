from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchmarks import presets
from fer_au.presets import expand, list_presets, load_preset


def test_every_data_set_of_a_preset_has_a_size() -> None:
    used = {
        entry["dataset"] for name in list_presets() for entry in expand(name, load_preset(name)).experiments.values()
    }
    assert used == presets.FACES.keys()


def test_a_face_takes_time_and_a_larger_one_takes_more() -> None:
    model = {"backbone": "test_resnet", "output_stride": 8, "weights": "imagenet"}
    small, large = (presets.seconds_per_face(model, size, None) for size in (32, 256))
    assert 0 < small < large


def test_hours_count_faces_epochs_and_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(presets, "seconds_per_face", lambda model, size, layers: asked.append(size) or 0.01)
    trainings, hours = presets.hours("lan-rafdb", {})
    assert trainings == 4
    assert asked == [224, 224, 112, 112]  # four networks
    assert hours == pytest.approx(4 * 0.01 * 12_271 * 70 / 2 / 3600)


def test_frozen_layers_and_shares_of_the_faces_count_as_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "seconds_per_face", lambda model, size, layers: 0.05 if layers is None else 0.01)
    entry = {"dataset": "faces", "model": {"backbone": "sface", "cut_after": 23}}
    some = {**entry, "train": {"fraction": 0.1, "freeze": [{"epochs": 3, "layers": 0}, {"epochs": 2, "layers": 11}]}}
    monkeypatch.setattr(
        presets, "expand", lambda name, preset: SimpleNamespace(experiments={"all": entry, "some": some})
    )
    monkeypatch.setattr(presets, "load_preset", lambda name: SimpleNamespace(train={"epochs": 10, "image_size": 112}))
    whole, part = 10 * 0.05, 0.1 * (5 * 0.01 + 5 * 0.05)
    assert presets.hours("made-up", {}) == (2, pytest.approx((whole + part) * 5_437 / 2 / 3600))
