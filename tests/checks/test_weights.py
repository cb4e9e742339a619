"""Weights that can't be had."""

from __future__ import annotations

from tests.checks.conftest import Check

MODEL = "experiments.au.model"


def test_the_same_weights_are_explained_once(check: Check) -> None:
    weights = {"experiments.plain.model.weights": "no.pth", f"{MODEL}.weights": "no.pth"}
    reason = "no.pth: No such file or directory; give none, imagenet, faces or a file's path (the same in 1 more: au)"
    assert check(weights) == [f"experiments.plain.model.weights: {reason}"]
    offline = {"experiments.plain.model.weights": "imagenet", f"{MODEL}.weights": "imagenet"}
    (line,) = check(offline)
    assert line.startswith("experiments.plain.model.weights: ImageNet weights of 'test_resnet' are not on this machine")
    assert line.endswith("(the same in 1 more: au)")
