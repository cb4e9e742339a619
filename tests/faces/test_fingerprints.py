"""Fingerprints of built-in detectors and of align: another value makes every lab compute every face anew."""

from __future__ import annotations

from typing import Any

import pytest

from fer_au.config.data import AlignConfig
from fer_au.faces import create_detector
from fer_au.faces.operation import AlignOperation

DETECTORS = [
    ("dlib-hog", {}, "3bac1ff03aae0ba60d2ba4e4bc6ef6df8b074a548fa0a03ce5c055d268beb482"),
    ("dlib-mmod", {}, "6cb50001a9bf2f8544dbb4b716c3105c1a5f7f9b278fdbdc55c5580818eb3e90"),
    ("mediapipe-face", {}, "9a18858dac1e104e7f86cfc51419ab480deded129d0a88592c9709380198b84d"),
    ("provided", {}, "4222ebab2b659fa88fc1a344424c1ef4bb6b9d0afddf835530c09c5e827747a0"),
    ("whole-image", {}, "cd6740b1f7536641cefb38534c03580c6dd7271d324b16312b967559f46aa41f"),
    ("dlib-hog", {"exhaustive": True}, "631cfb61ce5f02576ea4eda8935fe1f5eaf264abfcf767336dcb414e1f4c5c34"),
    ("dlib-mmod", {"exhaustive": True}, "ec4e00cfef0dd77e641d9157cfaef2d1e268aca4e377435ff853a3b8723ed350"),
    ("mediapipe-face", {"exhaustive": True}, "87506e70d5cd0a0f02663d82fcc1be173779490d7cee61ae9003320e6096ec76"),
]
ALIGNMENTS = [
    ({}, "f5e50db18ec9015c7a194707d3dee4ba12c9bd49e6f1536af399bcfa2ef21c40"),
    (
        {"detector": "mediapipe-face", "keypoints": "detector", "template": "arcface"},
        "b31e60125feea66e96769218fd3f8548abe29d9b2db9af99d8b0fef8efbbacbd",
    ),
    (
        {"detector": "dlib-hog", "choose": "central", "keypoints": "dlib5"},
        "1914ae5837865e2c19dec6918820dea583d9056ddc1116c92839dca11c2c2f54",
    ),
    (
        {"detector": "whole-image", "template": "none", "context": 64},
        "f1656462bc4a162a7d5aad5715101a0c18807081b64f0debdaa33afb72511a85",
    ),
]


@pytest.mark.parametrize(("name", "options", "expected"), DETECTORS)
def test_a_detector_keeps_its_fingerprint(name: str, options: dict[str, Any], expected: str) -> None:
    assert create_detector(name, **options).fingerprint == expected


@pytest.mark.parametrize(("options", "expected"), ALIGNMENTS)
def test_an_alignment_keeps_its_fingerprint(options: dict[str, Any], expected: str) -> None:
    assert AlignOperation.of(AlignConfig(**options)).fingerprint == expected
