"""For every setting another value than its default: what a comparison of settings must name."""

from __future__ import annotations

from typing import Any

from fer_au.config.data import AlignConfig, HeatmapsConfig, LandmarksConfig
from fer_au.config.experiments import CrossConfig, EvaluateConfig, ExperimentConfig, GuidanceConfig, TrainConfig
from fer_au.config.reading import StrictModel
from fer_au.datasets.base import create_adapter

# Key -> another value than the default.
OTHERS: dict[str, tuple[type[StrictModel], dict[str, Any]]] = {
    "align": (
        AlignConfig,
        {
            "detector": ["dlib-hog", "yunet"], "keypoints": "dlib5", "template": "none", "size": 128, "context": 64,
            "on_missing": "reject", "choose": "central",
        },
    ),
    "landmarks": (LandmarksConfig, {"extractor": "mediapipe"}),
    "heatmaps": (HeatmapsConfig, {"codebook": "paper", "geometry": "paper", "size": 14}),
    "train": (
        TrainConfig,
        {
            "epochs": 9, "batch_size": 8, "fraction": 0.5, "labels": "shuffled",
            "image_size": 64, "optimizer.name": "adam",
            "optimizer.lr": 0.1,
            "optimizer.momentum": 0.5, "optimizer.nesterov": False, "optimizer.weight_decay": 0,
            "schedule.name": "step", "schedule.warmup_epochs": 0, "schedule.step_epochs": 5, "schedule.patience": 2,
            "schedule.gamma": 0.5, "precision": "fp32", "augment.flip": 0, "augment.rotate": 0,
            "augment.scale": [1, 1], "augment.shift": 0, "augment.brightness": 0, "augment.contrast": 0,
            "augment.saturation": 0, "augment.hue": 0.1, "augment.jitter": 0.5, "augment.grayscale": 0,
            "augment.erase": 0, "augment.erase_area": [0.1, 0.3], "augment.noise": 0.1, "augment.mixup": 0.1,
            "augment.mixup_alpha": 1, "augment.cutmix": 0.1, "augment.cutmix_alpha": 2, "label_smoothing": 0.1,
            "class_weights": "balanced", "sampling": "balanced", "select_on": "test", "early_stopping": 3,
            "clip_grad": 1, "ema": 0.9, "freeze": [{"epochs": 1}], "sync_batch_norm": False,
        },
    ),
    "evaluate": (
        EvaluateConfig,
        {
            "split": "valid", "cams": ["native"], "attention_layers": ["3"], "moved": False, "faithfulness_images": 0,
            "batch_size": 8, "resize": "published", "on_missing_cam": "skip", "mirrored": True,
            "robustness": ["jpeg"], "audits": ["faithfulness"], "audit_images": 8,
        },
    ),
    "datasets.faces": (
        create_adapter("folder").Config,
        {
            "adapter": "sep", "root": "elsewhere", "valid_fraction": 0.2, "test_fraction": 0.1, "seed": 1,
            "label_map": {"glad": "happiness"}, "subject_pattern": "^(a)", "split_map": {"a": "test"},
            "follow_links": True, "on_leak": "fail",
            "align": {"template": "none"}, "landmarks": {"extractor": "mediapipe"},
        },
    ),
    "experiments.au": (
        ExperimentConfig,
        {
            "dataset": "other", "seed": 1, "base": "vanilla", "fold": 1, "train": {"epochs": 3}, "guidance": [],
            "model.backbone": "resnet18", "model.backbone_options": {"a": 1}, "model.head": "lan",
            "model.head_options": {"a": 1}, "model.weights": "imagenet", "model.output_stride": 8,
            "model.large_maps": True, "model.in_chans": 1, "model.cut_after": 3,
        },
    ),
    "experiments.au.guidance.0": (
        GuidanceConfig,
        {
            "cue": "face", "loss": "mse", "loss_options": {"growth": 2}, "source": "cam", "layers": ["3"], "weight": 1,
            "codebook": "paper", "geometry": "paper", "landmark_noise": 0.1, "start_epoch": 1, "end_epoch": 5,
            "warmup_epochs": 1, "resize": "published",
        },
    ),
    "cross.there": (CrossConfig, {"experiment": "vanilla", "dataset": "third"}),
}  # fmt: skip


# Keys that change no number; a target decides whether there is a row.
HARMLESS = {
    "align": {"max_reject_fraction": 0.5},
    "landmarks": {"max_reject_fraction": 0.5},
    "datasets.faces": {"max_reject_fraction": 0.5},
    "experiments.au": {"group": "several", "target": "expression"},
}
