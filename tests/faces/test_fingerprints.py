"""Fingerprints of built-in detectors and of align: another value makes every lab compute every face anew."""

from __future__ import annotations

from typing import Any

import pytest

from fer_au.config.data import AlignConfig
from fer_au.faces import create_detector
from fer_au.faces.operation import AlignOperation

DETECTORS = [
    ("dlib-hog", {}, "f47dc9d96ad9b623142f12a4b6d494b15c1910e2c72f5952ec6d4e12855b5ec5"),
    ("dlib-mmod", {}, "6cb50001a9bf2f8544dbb4b716c3105c1a5f7f9b278fdbdc55c5580818eb3e90"),
    ("mediapipe-face", {}, "9a18858dac1e104e7f86cfc51419ab480deded129d0a88592c9709380198b84d"),
    ("provided", {}, "4222ebab2b659fa88fc1a344424c1ef4bb6b9d0afddf835530c09c5e827747a0"),
    ("whole-image", {}, "cd6740b1f7536641cefb38534c03580c6dd7271d324b16312b967559f46aa41f"),
    ("yunet", {}, "2118d85ad398e59510187fa07cee85248656b7b741c41a8bc34a302e0a6bd525"),
    ("yunet", {"exhaustive": True}, "83b0a09354436108939e1a0245973f96357eec3f6436cac5f097f1ab8260ee2e"),
    ("dlib-hog", {"exhaustive": True}, "ede9b8be62aaad55a56db28b7bd3857d5fcc76a4311afc947bd25a27e86e5374"),
    ("dlib-mmod", {"exhaustive": True}, "ec4e00cfef0dd77e641d9157cfaef2d1e268aca4e377435ff853a3b8723ed350"),
    ("mediapipe-face", {"exhaustive": True}, "87506e70d5cd0a0f02663d82fcc1be173779490d7cee61ae9003320e6096ec76"),
]
ALIGNMENTS = [
    ({}, "03ca8d2d106eb2dcc7a7d1e03936c3bfb9ced3b1d05dcc50642701037f7153f0"),
    (
        {"detector": "mediapipe-face", "keypoints": "detector", "template": "arcface"},
        "1b477f07c32686a648ed4a270d2d26b65768bea41169bdf97746a9b02dbeabba",
    ),
    (
        {"detector": "dlib-hog", "choose": "central", "keypoints": "dlib5"},
        "8b7d379d101040d02eed2f851e9489d50c3f684a12b72401f514818e8cf594dc",
    ),
    (
        {"detector": "whole-image", "template": "none", "context": 64},
        "4e754eab95796560debc45c7800f8cee4a114bbdd38ae3ef49292ad7f9fdf568",
    ),
]


@pytest.mark.parametrize(("name", "options", "expected"), DETECTORS)
def test_a_detector_keeps_its_fingerprint(name: str, options: dict[str, Any], expected: str) -> None:
    assert create_detector(name, **options).fingerprint == expected


@pytest.mark.parametrize(("options", "expected"), ALIGNMENTS)
def test_an_alignment_keeps_its_fingerprint(options: dict[str, Any], expected: str) -> None:
    assert AlignOperation.of(AlignConfig(**options)).fingerprint == expected
