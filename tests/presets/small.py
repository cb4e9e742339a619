"""A small preset of a lab's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

SMALL = """
title: Small.
source: Nobody.
comments: {train.epochs: Not published., experiments.net-au: Ours.}
datasets: {faces: {adapter: folder, root: /path}}
align: {}
landmarks: {}
heatmaps: {}
train: {epochs: 3, optimizer: {lr: 0.1}}
evaluate: {}
defaults: {dataset: faces, model: {backbone: resnet18, head: gap}}
experiments:
  net: {}
  big: {model: {backbone: resnet50, output_stride: 16}}
  child: {like: big, base: net-au, model: {backbone: resnet18}}
variants:
  vanilla: {}
  au: {guidance: [{cue: au, weight: 4.0}]}
adjust: {big-au: {guidance.0.layers: [4]}}
cross: {net-on-faces: {experiment: net-au, dataset: faces}}
published:
  - {row: Net, experiment: net-au, metrics: {accuracy: 0.5}}
  - {row: Theirs, metrics: {accuracy: 0.75}, other: {train_accuracy: 1.0}}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def written(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content
