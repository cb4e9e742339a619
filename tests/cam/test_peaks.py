"""Peak back-propagation against the paper's sums, and as a walk that loses no probability."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fer_au.cam import CamRun, compute_cam
from fer_au.cam.peaks import _Probabilities
from fer_au.errors import ConfigError
from fer_au.models import create_model
from fer_au.models.heads.prm import find_peaks

CLASSES = ("neutral", "happiness", "surprise", "anger")
TARGET = torch.tensor([0, 3])


def test_a_convolution_shares_by_activation_times_positive_weight() -> None:
    generator = torch.Generator().manual_seed(0)
    below = torch.rand(1, 2, 5, 5, generator=generator)
    layer = nn.Conv2d(2, 3, 3, stride=2, padding=1)
    with torch.no_grad():
        layer.weight.uniform_(-0.2, 0.3, generator=generator)  # in each window one is positive
    above = torch.rand(1, 3, 3, 3, generator=generator)  # probabilities of the cells above
    expected = torch.zeros(2, 7, 7)  # with the border
    padded = nn.functional.pad(below[0], (1, 1, 1, 1))
    for channel in range(3):
        positive = layer.weight[channel].detach().clamp(min=0)
        for row in range(3):
            for column in range(3):
                window = (slice(None), slice(2 * row, 2 * row + 3), slice(2 * column, 2 * column + 3))
                part = padded[window] * positive
                expected[window] += above[0, channel, row, column] * part / part.sum()
    leaf = below.clone().requires_grad_()
    with _Probabilities():
        output = layer(leaf)
    assert torch.equal(output, layer(below))
    (found,) = torch.autograd.grad(output, leaf, above)
    assert torch.allclose(found[0], expected[:, 1:6, 1:6], atol=1e-6)


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenetv2_050"])
def test_each_positive_peak_is_one_unit_of_probability_on_the_pixels(backbone: str) -> None:
    model = create_model({"backbone": backbone, "output_stride": 8, "head": "prm"}, CLASSES, seed=0).eval()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    maps = CamRun(model, images, ["native", "prm_peak"]).maps(TARGET, normalize=False)
    peaks = find_peaks(maps["native"][:, None])[:, 0] & (maps["native"] > 0)
    assert peaks.any()
    assert maps["prm_peak"].shape == (2, 64, 64)
    assert float(maps["prm_peak"].min()) >= 0
    # A cell that owes its value to a bias alone has nothing to hand on to; linear bottlenecks have some.
    tolerance = 1e-4 if backbone == "resnet18" else 0.02
    assert torch.allclose(maps["prm_peak"].sum((1, 2)), peaks.sum((1, 2)).float(), rtol=tolerance)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"backbone": "resnet10t"}, "needs the peaks of head 'prm', not GapHead"),
        ({"backbone": "efficientnet_b0", "head": "prm"}, "has no rule for SiLU of backbone 'efficientnet_b0'"),
    ],
)
def test_other_heads_and_layers_are_refused(config: dict[str, str], text: str) -> None:
    model = create_model(config, CLASSES, seed=0)
    with pytest.raises(ConfigError, match=text):
        compute_cam("prm_peak", model, torch.zeros(2, 3, 64, 64), TARGET)
