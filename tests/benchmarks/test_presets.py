from __future__ import annotations

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
    small, large = (presets.seconds_per_face(model, size) for size in (32, 256))
    assert 0 < small < large


def test_hours_count_faces_epochs_and_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(presets, "seconds_per_face", lambda model, size: asked.append(size) or 0.01)
    trainings, hours = presets.hours("lan-rafdb", {})
    assert trainings == 4
    assert asked == [224, 224, 112, 112]  # four networks
    assert hours == pytest.approx(4 * 0.01 * 12_271 * 70 / 2 / 3600)
