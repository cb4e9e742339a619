"""Settings of a model that was made elsewhere, and those that it switches off."""

from __future__ import annotations

from typing import Any

FOREIGN = {
    "backbone": "external", "factory": "foreign:create", "layers": ["first"], "classes": {"a": "anger", "b": "neutral"},
    "input": {"size": 32, "mean": 0.5, "std": 0.5},
}  # fmt: skip
# Settings of a model that was made elsewhere -> another value.
OF_FOREIGN: dict[str, Any] = {
    "factory": "foreign:other", "layers": ["second"], "classes": {"a": "neutral", "b": "anger"},
    "scores": "probabilities", "input.size": 48, "input.channels": "bgr", "input.mean": 0.25, "input.std": 0.25,
}  # fmt: skip
# Settings that such a model switches off, or any other one.
NOT_OF_FOREIGN: dict[str, Any] = {
    "backbone_options": {"a": 1}, "head": "gap", "head_options": {"a": 1}, "cut_after": 1, "output_stride": 8,
    "large_maps": True, "weights": "imagenet", "in_chans": 1,
}  # fmt: skip
