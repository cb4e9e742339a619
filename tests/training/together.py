"""What the tests' processes do: train, guide a loop of one's own, cluster; each is all that its process is for."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from fer_au.batches.faces import FaceDataset
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.ibug68 import MEAN_FACE
from fer_au.training import AttentionGuidance, train_experiment
from fer_au.training.clusters import prepare_clusters
from fer_au.training.trainer import Trainer

BREAK = "BREAK_IN_EPOCH"
"""The first process ends without a word as this epoch begins."""


def train(experiment: str, config: str, data: str, out: str) -> None:
    """Train an experiment, both given as JSON, whose base is ``none``."""
    torch.set_num_threads(1)
    if BREAK in os.environ:
        _break_in_epoch(int(os.environ[BREAK]))
    settings = ExperimentConfig.model_validate_json(experiment), TrainConfig.model_validate_json(config)
    train_experiment("au", *settings, Path(data), Path("models/none"), Path(out))


def _break_in_epoch(end: int) -> None:
    original = Trainer._train_epoch

    def train_epoch(self: Trainer, epoch: int, *rest: Any) -> Any:
        if epoch == end and os.environ["RANK"] == "0":  # it has kept the epoch before by then; others may be ahead
            os._exit(3)
        return original(self, epoch, *rest)

    Trainer._train_epoch = train_epoch  # type: ignore[method-assign]


def guide(out: str) -> None:
    """Save the gradients of a loop of one's own for four faces, divided among the processes that there are."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    images = torch.rand(4, 3, 32, 32)
    points = torch.from_numpy((MEAN_FACE * 0.4 + [0.5, 0.35]) * 32).repeat(4, 1, 1)
    labels = ["happiness", "anger", "neutral", "anger"]
    rows, model = slice(0, 4), net
    together = bool(os.environ.get("WORLD_SIZE"))
    if together:
        torch.distributed.init_process_group("gloo")
        rows = slice(2 * torch.distributed.get_rank(), 2 * torch.distributed.get_rank() + 2)
        model = DistributedDataParallel(net)  # type: ignore[assignment]
    guide = AttentionGuidance(model, ["1"], weight=4.0)
    scores = model(images[rows])
    (scores.mean() + guide(labels=labels[rows], points=points[rows])).backward()
    if os.environ.get("RANK", "0") == "0":
        torch.save([one.grad for one in net.parameters()], out)
    if together:
        torch.distributed.destroy_process_group()


def cluster(data: str) -> None:
    """Prepare the clusters of a base model for a data set's training faces."""
    prepare_clusters(FaceDataset(Path(data), "train", 32), Path("models/base"), torch.device("cpu"))


if __name__ == "__main__":
    train(*sys.argv[1:])
