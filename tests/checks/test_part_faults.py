"""Every kind of mistake in the names, options and networks of parts, and the line that the check has for it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.conftest import Check

AU, MODEL = "experiments.au", "experiments.au.model"

# Changes of the good file -> lines.
ONE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "adapter": (
        {"datasets.mine.adapter": "foldr"},
        ["datasets.mine.adapter: unknown data set adapter 'foldr'; did you mean folder?"],
    ),
    "adapter's key": (
        {"datasets.mine.label_mpa": {}}, ["datasets.mine.label_mpa: unknown key; did you mean label_map?"],
    ),
    "detector": (
        {"align.detector": "dlib-hogg"},
        ["align.detector: unknown face detector 'dlib-hogg'; did you mean dlib-hog or dlib-mmod?"],
    ),
    "template": (
        {"align.template": "lose"},
        ["align.template: should be 'loose', 'arcface', 'tight' or 'none', got 'lose'; did you mean loose?"],
    ),
    "extractor": (
        {"landmarks.extractor": "dlib86"},
        ["landmarks.extractor: unknown landmark extractor 'dlib86'; did you mean dlib68?"],
    ),
    "codebook": (
        {"heatmaps.codebook": "corected"}, ["heatmaps.codebook: unknown codebook 'corected'; did you mean corrected?"],
    ),
    "geometry": (
        {"heatmaps.geometry": "papr"}, ["heatmaps.geometry: unknown AU-map geometry 'papr'; did you mean paper?"],
    ),
    "codebook's file": ({"heatmaps.codebook": "my.yaml"}, ["heatmaps.codebook: my.yaml: no such file"]),
    "cam": (
        {"evaluate.cams": ["gradcm"]},
        [
            "evaluate.cams: unknown CAM method 'gradcm'; did you mean gradcam or xgradcam or gradcam++ or "
            "guided_gradcam?"
        ],
    ),
    "cam at a layer": (
        {"evaluate.cams": ["gradcm@3"]},
        [
            "evaluate.cams: unknown CAM method 'gradcm'; did you mean gradcam or xgradcam or gradcam++ or "
            "guided_gradcam?"
        ],
    ),
    "cam without its layer": (
        {"evaluate.cams": ["native", "layercam@"]},
        ["evaluate.cams: 'layercam@' should be a CAM method, or method@layer as in layercam@3 or layercam@last, "
            "got ['native', 'layercam@']"
        ],
    ),
    "cam of no layer": (
        {"evaluate.cams": ["integrated_gradients@2"]},
        ["evaluate.cams: integrated_gradients@2: it explains no single layer; write 'integrated_gradients'"],
    ),
    "cam that a network can't have": (
        {"evaluate.cams": ["rollout"]},
        [
            "evaluate.cams: rollout: attention rollout needs a vision transformer: backbone 'test_resnet' has no "
            "attention over the whole image to record; try a vit or a deit"
        ],
    ),
    "cam at a layer that is not there": (
        {"evaluate.cams": ["layercam@9"]},
        [
            "evaluate.cams: layercam@9: unknown feature layer '9': backbone 'test_resnet' has 1 (first) to 5 (last), "
            "or use 'last' or 'all'"
        ],
    ),
    "cue and loss": (
        {f"{AU}.guidance.0.cue": "aus", f"{AU}.guidance.0.loss": "cosin"},
        [
            f"{AU}.guidance.0.cue: unknown cue 'aus'; did you mean au?",
            f"{AU}.guidance.0.loss: unknown guidance loss 'cosin'; did you mean cosine or std_cosine or "
            "cosine_barrier?",
        ],
    ),
    "a term's codebook and geometry": (
        {f"{AU}.guidance.0": {"codebook": "papper", "geometry": "corected"}},
        [
            f"{AU}.guidance.0.codebook: unknown codebook 'papper'; did you mean paper or paper-figure?",
            f"{AU}.guidance.0.geometry: unknown AU-map geometry 'corected'; did you mean corrected?",
        ],
    ),
    "backbone": (
        {f"{MODEL}.backbone": "gimefive-vg"},
        [f"{MODEL}.backbone: unknown backbone 'gimefive-vg'; did you mean gimefive-vgg or gimefive-25 or gimefive-17 "
         "or gimefive-16 or gimefive-15?"],
    ),
    "head": ({f"{MODEL}.head": "wildcatt"}, [f"{MODEL}.head: unknown head 'wildcatt'; did you mean wildcat?"]),
    "head's options": (
        {f"{MODEL}.head": "wildcat", f"{MODEL}.head_options": {"kmx": 1, "dropout": "half"}},
        [
            f"{MODEL}.head_options.kmx: unknown key; did you mean kmax?",
            f"{MODEL}.head_options.dropout: should be a number, got 'half'",
        ],
    ),
    "a loss's options": (
        {f"{AU}.guidance.0": {"loss": "cosine_barrier", "loss_options": {"growht": 1, "last": 0.5}}},
        [
            f"{AU}.guidance.0.loss_options.growht: unknown key; did you mean growth?",
            f"{AU}.guidance.0.loss_options.last: should be greater than or equal to 1, got 0.5",
        ],
    ),
    "options that belong together": (
        {f"{AU}.guidance.0": {"loss": "cosine_barrier", "loss_options": {"first": 20}}},
        [f"{AU}.guidance.0.loss_options.first: should be at most last, which is 10, got 20"],
    ),
    "options of a loss without options": (
        {f"{AU}.guidance.0": {"loss_options": {"growth": 2}}},
        [f"{AU}.guidance.0.loss_options.growth: unknown key; there are none"],
    ),
    "options that are none": (
        {f"{AU}.guidance.0": {"loss_options": 5}},
        [f"{AU}.guidance.0.loss_options: should be a mapping of keys to values, got 5"],
    ),
    "timm's options": (
        {f"{MODEL}.backbone_options": {"drop_pth_rate": 0.1}},
        [f"{MODEL}.backbone_options.drop_pth_rate: 'test_resnet' has no such option; did you mean drop_path_rate or "
         "drop_block_rate or zero_init_last?"],
    ),
    "options without effect": (
        {f"{MODEL}.backbone_options": {"drop_rate": 0.1}},
        [f"{MODEL}.backbone_options.drop_rate: the head decides; mlp and wildcat have a dropout"],
    ),
    "slips of the keyboard": (
        {"train.epochs": 10**30, "train.optimizer.lr": 1500.0, "evaluate.batch_size": 10**7},
        [
            "train.epochs: should be less than or equal to 1000000, got 1000000000000000000000000000000",
            "train.optimizer.lr: should be less than or equal to 100, got 1500.0",
            "evaluate.batch_size: should be less than or equal to 1000000, got 10000000",
        ],
    ),
    # Networks.
    "cut beyond the end": (
        {f"{MODEL}.cut_after": 6}, [f"{MODEL}.cut_after: 6 is more than the 5 layers of backbone 'test_resnet'"],
    ),
    "cut off layer": (
        {f"{MODEL}.cut_after": 3, f"{AU}.guidance.0.layers": [4]},
        [f"{AU}.guidance.0.layers: unknown feature layer '4': backbone 'test_resnet' has 1 (first) to 3 (last), or use "
         "'last' or 'all'"],
    ),
    "patches": (
        {"experiments.plain.model.backbone": "test_vit", "train.image_size": 100},
        ["experiments.plain.model.backbone: backbone 'test_vit' can't take images of 100 pixels; set "
         "train.image_size to 96 or 128"],
    ),
    "layer": (
        {f"{AU}.guidance.0.layers": [6]},
        [f"{AU}.guidance.0.layers: unknown feature layer '6': backbone 'test_resnet' has 1 (first) to 5 (last), or use "
         "'last' or 'all'"],
    ),
    "evaluated layers": (
        {"evaluate.attention_layers": ["9"]},
        ["evaluate.attention_layers: unknown feature layer '9': backbone 'test_resnet' has 1 (first) to 5 (last), or "
         "use 'last' or 'all'"],
    ),
    "nothing to guide": (
        {f"{MODEL}.output_stride": None, "train.image_size": 32},
        [f"{AU}.guidance.0.layers: 5 is a single cell at 32 px, which no cue can guide; take a larger "
         "train.image_size, a smaller model.output_stride, or an earlier layer"],
    ),
    "strides": (
        {f"{MODEL}.backbone": "test_vit"},
        [f"{MODEL}.output_stride: backbone 'test_vit' can't change its strides; try a ResNet"],
    ),
    "two strides": (
        {f"{MODEL}.large_maps": True},
        [f"{MODEL}: large_maps and output_stride exclude each other (large_maps is stride 8, undilated)"],
    ),
    "a whole network's head": (
        {f"{MODEL}.backbone": "gimefive-10", f"{MODEL}.weights": "imagenet"},
        [
            f"{MODEL}.head: network 'gimefive-10' doesn't take it: it has a head of its own",
            f"{MODEL}.output_stride: network 'gimefive-10' doesn't take it: its strides are fixed",
            f"{MODEL}.weights: there are no ImageNet weights of network 'gimefive-10'",
        ],
    ),
    "a whole network's size": (
        {"experiments.plain.model.backbone": "csci-cnn"},
        ["experiments.plain.model.backbone: backbone 'csci-cnn' can't take images of 64 pixels: its classifier "
         "needs a 6 x 6 map, not 8 x 8; set train.image_size to 48"],
    ),
    "head without its token": (
        {f"{MODEL}.head": "ts_cam"},
        [f"{MODEL}: head 'ts_cam' needs a class token, and backbone 'test_resnet' has none; try a deit"],
    ),
    "head without its picture": (
        {f"{MODEL}.head": "multiscale"},
        [f"{MODEL}.head: head 'multiscale' looks at the whole picture, too; set align.context, such as 224"],
    ),
    "head without a map": (
        {f"{AU}.guidance.0": {"source": "module"}},
        [f"{AU}.guidance.0.source: 'gap' has no attention map of its own; use features or cam"],
    ),
    "frozen layers": (
        {f"{AU}.train": {"freeze": [{"epochs": 1, "layers": 9}]}},
        [f"{AU}.train.freeze: layers: 9 is more than the 5 of backbone 'test_resnet'"],
    ),
    "mixing": (
        {"train.augment": {"mixup": 0.7, "cutmix": 0.7}},
        ["train.augment.cutmix: should be 0.3 at most beside mixup 0.7: a batch is mixed in one way, got 0.7"],
    ),
    "range": (
        {"train.augment": {"scale": [1.2, 0.8]}},
        ["train.augment.scale: should be (smallest, largest), got [1.2, 0.8]"],
    ),
    "precision": (
        {f"{AU}.train": {"precision": "fp16"}}, [f"{AU}.train.precision: fp16 needs a GPU; use auto, fp32 or bf16"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE)
def test_a_mistake_is_one_line(case: str, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    changes, lines = ONE[case]
    assert check(changes) == lines
