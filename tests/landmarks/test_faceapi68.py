"""The torch port of face-api's 68-point network."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from fer_au.errors import ConfigError
from fer_au.landmarks import create_extractor, mirror_points, normalised_error
from fer_au.landmarks.faceapi_net import load_parameters, one_thread, read_parameters


def test_bytes_become_tensors_by_the_table(tmp_path):
    table = [
        {
            "weights": [
                {"name": "a/filters", "shape": [3, 3, 2, 5], "quantization": {"scale": 0.5, "min": -3.0}},
                {"name": "b/depthwise_filter", "shape": [3, 3, 4, 1], "quantization": {"scale": 1.0, "min": 0.0}},
                {"name": "c/bias", "shape": [4], "quantization": {"scale": 2.0, "min": 1.0}},
            ]
        }
    ]
    data = bytes(range(90 + 36 + 4))
    (tmp_path / "w.bin").write_bytes(data)
    (tmp_path / "w.json").write_text(json.dumps(table))
    tensors = read_parameters(tmp_path / "w.bin", tmp_path / "w.json")
    assert tensors["a/filters"].shape == (5, 2, 3, 3)
    # Byte (row 1, column 2, in 1, out 3) of the file.
    assert tensors["a/filters"][3, 1, 1, 2] == 0.5 * (((1 * 3 + 2) * 2 + 1) * 5 + 3) - 3
    assert tensors["b/depthwise_filter"].shape == (4, 1, 3, 3)
    assert tensors["b/depthwise_filter"][3, 0, 2, 1] == 90 + (2 * 3 + 1) * 4 + 3
    assert tensors["c/bias"].tolist() == [1 + 2 * (126 + k) for k in range(4)]


@pytest.mark.parametrize(("change", "message"), [(-1, "ends within"), (3, "133 bytes, the table describes 130")])
def test_bytes_that_do_not_fit_the_table_are_one_line(tmp_path, change, message):
    entry = {"name": "a", "shape": [130], "quantization": {"scale": 1.0, "min": 0.0}}
    (tmp_path / "w.bin").write_bytes(bytes(130 + change))
    (tmp_path / "w.json").write_text(json.dumps([{"weights": [entry]}]))
    with pytest.raises(ConfigError, match=message):
        read_parameters(tmp_path / "w.bin", tmp_path / "w.json")


def test_all_published_weights_are_used_once():
    parameters = load_parameters()
    assert sum(tensor.numel() for tensor in parameters.values()) == 356_840
    assert sum(name.endswith("pointwise_filter") for name in parameters) == 15
    assert all(torch.isfinite(tensor).all() for tensor in parameters.values())


def test_the_result_does_not_depend_on_torchs_threads(crops):
    images = crops[0][:3]
    extractor = create_extractor("faceapi68")
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(extractor.extract(images)[0].tobytes())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert len(set(found)) == 1


def test_the_thread_setting_comes_back_after_an_error():
    before = torch.get_num_threads()

    def fail():
        with one_thread():
            assert torch.get_num_threads() == 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == before


def test_nothing_pulls_to_one_side(crops):
    """Over several faces, points and those of the mirrored pictures agree in x: the network's own shift is undone."""
    images = crops[0]
    extractor = create_extractor("faceapi68")
    points, _ = extractor.extract(images)
    mirrored, _ = extractor.extract(np.ascontiguousarray(images[:, :, ::-1]))
    apart = (mirror_points(mirrored, images.shape[2]) - points)[..., 0]
    assert abs(apart.mean()) / 2 < 0.35
    assert normalised_error(mirror_points(mirrored, images.shape[2]), points).mean() < 0.04
