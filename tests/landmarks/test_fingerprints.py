"""Fingerprints of the built-in extractors: another value makes every lab extract every face anew."""

from __future__ import annotations

import pytest

from fer_au.landmarks import create_extractor
from fer_au.landmarks.operation import ExtractOperation

EXTRACTORS = {
    "dlib68": "45eeb7ce4dbd53bdd4065bd595d6fd59ffc0c77f5d68e76bdbe1dbf243ed6fed",
    "faceapi68": "583396c6084c0e6baa202bfbd815ff0981ab7fce6bf748e2cd117c01ea815c3c",
    "mean-shape": "1bf2b7dc1726287ee3c7d0661f90b443681f2188955f7132747eef276477e3f8",
    "mediapipe": "a495469a68c499cd6dba7e4cea3c8e5a0368926c3e8d18c533dd8d23579b28da",
    "provided": "fc53ee3b9649ec0dfd45a4d97ae2c16d4bd4cc4a5c73411af37d3ef357d4d8f5",
    "truth": "53f22428c4260181347c946d777e10e4f14ba611d58010ecb902376ce166c0eb",
}
OPERATIONS = {
    "dlib68": "b82dbb3c4cc7f6a3e3cd81d17ec7d799d99d16ed61184cdf43a97832be144c7d",
    "faceapi68": "e256cc04b87d39e6a05be10d25eb952c370127a51154b9f294437866e033e8e0",
    "mean-shape": "d1bd5c89b93748245b753775e595f007f1d527db7d9ff7d996aa0fd9d2951733",
    "mediapipe": "c325f1b76b39736b9d5bf52a9e283b951c863aa91bc3f35ae9f962de66b7cec3",
}


@pytest.mark.parametrize("name", EXTRACTORS)
def test_an_extractor_keeps_its_fingerprint(name: str) -> None:
    assert create_extractor(name).fingerprint == EXTRACTORS[name]


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_cached_operation_keeps_its_fingerprint(name: str) -> None:
    assert ExtractOperation(create_extractor(name)).fingerprint == OPERATIONS[name]
