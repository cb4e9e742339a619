"""Every option of every head, network and detector changes what the part computes, or is refused where it can't."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fer_au.config.options import PartOptions
from fer_au.faces.detectors import DETECTORS, create_detector
from fer_au.landmarks.extractors import EXTRACTORS
from fer_au.models import create_model, list_heads
from fer_au.models.heads.base import HEADS
from fer_au.models.nets.base import NETS
from fer_au.models.parts import Head, TrunkOutput
from fer_au.training.losses.base import LOSSES
from tests.effects.keys import Case, cases, digest, put, rules, unread

LABELS = ("neutral", "happiness", "anger")
SMALL_APVIT = {"dim": 8, "heads": 2, "grid": 8}

HEAD_OPTIONS: dict[str, dict[str, Case]] = {
    "acol": {"width": Case(8, 9), "threshold": Case(0.1, 0.9, {"width": 8})},
    "adl": {"drop_rate": Case(0.0, 1.0), "threshold": Case(0.1, 0.9, {"drop_rate": 1.0})},
    "apvit": {
        "dim": Case(8, 12, {"heads": 2}),
        "depth": Case(1, 2, SMALL_APVIT),
        "heads": Case(2, 4, {"dim": 8}),
        "mlp_ratio": Case(1.0, 2.0, SMALL_APVIT),
        "k": Case(0.3, 0.9, SMALL_APVIT),
        "keep": Case(0.3, 0.9, {**SMALL_APVIT, "depth": 4}),
        "grid": Case(4, 8, {"dim": 8, "heads": 2}),
    },
    "gap": {},
    "grid": {"cells": Case(1, 2), "dropout": Case(0.0, 0.9, {"cells": 2})},
    "lan": {"widths": Case([8], [9]), "fusion": Case("add", "average", {"widths": [8]})},
    "mlp": {
        "hidden": Case([8], [9]),
        "dropout": Case(0.1, 0.9, {"hidden": [8]}),
        "batch_norm": Case(False, True, {"hidden": [8]}),
        "max_pool": Case(False, True, {"hidden": [8]}),
        "grid": Case(None, 8, {"hidden": [8]}),
        "pooling": Case("mean", "max", {"hidden": [8]}),
    },
    "multiscale": {"shared": Case(True, False)},
    "prm": {"kernel": Case(1, 3), "peaks": Case("windows", "cells")},
    "ts_cam": {},
    "wildcat": {
        "modalities": Case(1, 2),
        "kmax": Case(0.2, 0.9),
        "kmin": Case(0.2, 0.9),
        "alpha": Case(0.1, 0.9),
        "dropout": Case(0.0, 0.9),
    },
}
# Options beside others that switch them off.
HEAD_OFF: dict[str, dict[str, Case]] = {
    "adl": {"threshold": Case(0.1, 0.9, {"drop_rate": 0.0})},
    "apvit": {"keep": Case(0.3, 0.9, {**SMALL_APVIT, "depth": 3})},
    "mlp": {
        "batch_norm": Case(False, True, {"hidden": []}),
        "max_pool": Case(False, True, {"hidden": [8], "pooling": "max"}),
        "pooling": Case("mean", "max", {"hidden": [8], "grid": 8}),
    },
    "prm": {"peaks": Case("windows", "cells", {"kernel": 1})},
    "wildcat": {"kmin": Case(0.2, 0.9, {"alpha": 0.0}), "alpha": Case(0.1, 0.9, {"kmin": 0.0})},
}
STACKED = {
    "widths": Case([4, 8], [4, 9]),
    "batch_norm": Case(False, True, {"widths": [4, 8]}),
    "dropout": Case(0.1, 0.9, {"widths": [4, 8]}),
    "excitation": Case(False, True, {"widths": [4, 8]}),
}
STACKED_OFF = {"dropout": Case(0.1, 0.9, {"widths": [4]})}
RESIDUAL = {"depths": Case([1, 1, 1, 1], [2, 1, 1, 1])}
# Of the networks' own heads, whose defaults differ from those of head `mlp`.
OWN = {key: Case(case.one, case.other, {"grid": None, "max_pool": False, **case.beside}) for key, case in
       HEAD_OPTIONS["mlp"].items()}  # fmt: skip
OWN["dropout"] = Case(0.1, 0.9, {"grid": None, "hidden": [8]})
OWN["grid"] = Case(None, 8, {"max_pool": False, "hidden": [8], "dropout": 0.5})


def head_options(head: type[Head]) -> type[PartOptions]:
    return head.Options


def compute(model: torch.nn.Module, run: Any) -> str:
    """Hash weights, and what is computed in training and in use."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        if not parameter.any():  # a last layer that starts from 0 would hide what lies before it
            torch.nn.init.normal_(parameter)
    outputs = []
    for mode in (True, False):
        torch.manual_seed(1)
        outputs.append(run(model.train(mode)))
    return digest(list(model.state_dict().items()), [part for one in outputs for part in one])


def of_head(name: str, options: dict[str, Any]) -> str:
    config = {"backbone": "test_resnet", "output_stride": 8, "head": name, "head_options": options}
    model = create_model(config, LABELS, seed=0)
    images = torch.randn(4, 3 * model.views, 64, 64, generator=torch.Generator().manual_seed(0))

    def run(model: Any) -> list[object]:
        output = model(images, torch.tensor([0, 1, 2, 0]))
        return [output.logits, *output.auxiliary, output.attention, model.class_maps(output)]

    return compute(model, run)


def of_own_head(net: str, options: dict[str, Any]) -> str:
    torch.manual_seed(0)
    head = NETS.get(net).head(8, len(LABELS), **options)
    final = torch.randn(4, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    return compute(head, lambda head: [head(TrunkOutput(final, {})).logits])


def of_net(name: str, options: dict[str, Any]) -> str:
    torch.manual_seed(0)
    net = NETS.get(name)(3, **options)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return compute(net, lambda net: list(net(images).features.values()))


def net_options(name: str) -> dict[str, Case]:
    fields = set(NETS.get(name).Options.model_fields)
    return STACKED if fields == set(STACKED) else RESIDUAL if fields == set(RESIDUAL) else {}


STAGED = {"exhaustive": Case(False, True)}
DETECTOR_OPTIONS: dict[str, dict[str, Case]] = {
    "dlib-hog": STAGED, "dlib-mmod": STAGED, "mediapipe-face": STAGED,
    "yunet": {**STAGED, "min_score": Case(0.6, 0.9), "overlap": Case(0.3, 0.5), "top_k": Case(5000, 10)},
}  # fmt: skip
LOSS_OPTIONS: dict[str, dict[str, Case]] = {
    "cosine_barrier": {
        "growth": Case(1.1, 2.0), "last": Case(1.5, 5.0, {"growth": 2.0}), "first": Case(1.0, 2.0, {"last": 5.0})
    }
}  # fmt: skip
LOSS_OFF: dict[str, dict[str, Case]] = {
    "cosine_barrier": {
        "growth": Case(1.1, 2.0, {"first": 5.0, "last": 5.0}), "last": Case(1.5, 5.0, {"growth": 1.0})
    }
}  # fmt: skip


def of_loss(name: str, options: dict[str, Any]) -> str:
    maps = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    loss = LOSSES.get(name)(**options)
    return digest([loss(maps[0], maps[1], torch.ones(3, dtype=torch.bool), None, time) for time in (0.5, 2.5)])


def built_in(registry: Any) -> list[str]:
    return [name for name in registry.names() if registry.get(name).__module__.startswith("fer_au.")]


NET_CASES = [(name, key) for name in built_in(NETS) for key in net_options(name)]
WHOLE = {name: head for name in built_in(NETS) if (head := NETS.get(name).head) is not None}
OWN_CASES = [(name, key) for name, head in WHOLE.items() for key in OWN if head.Options.model_fields]


def test_every_option_has_an_example() -> None:
    for name in [name for name in list_heads() if name in built_in(HEADS)]:
        options = head_options(HEADS.get(name))
        assert set(options.model_fields) == set(HEAD_OPTIONS[name]), name
        assert rules(options) == set(HEAD_OFF.get(name, {})), name
    for name in built_in(NETS):
        net = NETS.get(name)
        assert set(net.Options.model_fields) == set(net_options(name)), name
        assert rules(net.Options) in (set(), set(STACKED_OFF)), name
    for name, head in WHOLE.items():
        assert set(head.Options.model_fields) in (set(), set(OWN)), name
        assert rules(head.Options) in (set(), rules(HEADS.get("mlp").Options)), name
    for name in built_in(LOSSES):
        options = LOSSES.get(name).Options
        assert set(options.model_fields) == set(LOSS_OPTIONS.get(name, {})), name
        assert rules(options) == set(LOSS_OFF.get(name, {})), name
    for name in built_in(DETECTORS):
        assert set(DETECTORS.get(name).Options.model_fields) == set(DETECTOR_OPTIONS.get(name, {})), name
    assert not any(EXTRACTORS.get(name).Options.model_fields for name in built_in(EXTRACTORS))


@pytest.mark.parametrize(("head", "key"), cases(HEAD_OPTIONS))
def test_an_option_of_a_head_changes_it(head: str, key: str) -> None:
    case = HEAD_OPTIONS[head][key]
    first, second = ({**case.beside, key: value} for value in (case.one, case.other))
    assert not unread(head_options(HEADS.get(head)).model_validate(second))
    assert of_head(head, first) != of_head(head, second)


@pytest.mark.parametrize(("head", "key"), cases(HEAD_OFF))
def test_an_option_of_a_head_that_changes_nothing_is_refused(head: str, key: str) -> None:
    case = HEAD_OFF[head][key]
    first, second = ({**case.beside, key: value} for value in (case.one, case.other))
    assert unread(head_options(HEADS.get(head)).model_validate(second)) == {key}
    options = HEADS.get(head).Options
    with pytest.MonkeyPatch.context() as patch:  # what it would compute, were it not refused
        patch.setattr(options, "READ_IF", ())
        assert of_head(head, first) == of_head(head, second)


@pytest.mark.parametrize(("net", "key"), OWN_CASES)
def test_an_option_of_a_network_s_own_head_changes_it(net: str, key: str) -> None:
    case = OWN[key]
    first, second = ({"dropout": 0.0, **case.beside, key: value} for value in (case.one, case.other))
    assert of_own_head(net, first) != of_own_head(net, second)


@pytest.mark.parametrize(("net", "key"), NET_CASES)
def test_an_option_of_a_network_changes_it(net: str, key: str) -> None:
    case = net_options(net)[key]
    first, second = ({**case.beside, key: value} for value in (case.one, case.other))
    assert of_net(net, first) != of_net(net, second)


def test_an_option_of_a_network_that_changes_nothing_is_refused() -> None:
    case = STACKED_OFF["dropout"]
    first, second = ({**case.beside, "dropout": value} for value in (case.one, case.other))
    assert unread(NETS.get("gimefive-13").Options.model_validate(second)) == {"dropout"}
    assert of_net("gimefive-13", first) == of_net("gimefive-13", second)


@pytest.mark.parametrize(("loss", "key"), cases(LOSS_OPTIONS))
def test_an_option_of_a_loss_changes_it(loss: str, key: str) -> None:
    case = LOSS_OPTIONS[loss][key]
    one, other = (of_loss(loss, {**case.beside, key: value}) for value in (case.one, case.other))
    assert one != other


@pytest.mark.parametrize(("loss", "key"), cases(LOSS_OFF))
def test_an_option_of_a_loss_that_changes_nothing_is_refused(loss: str, key: str) -> None:
    case = LOSS_OFF[loss][key]
    first, second = ({**case.beside, key: value} for value in (case.one, case.other))
    assert unread(LOSSES.get(loss).Options.model_validate(second)) == {key}
    assert of_loss(loss, first) == of_loss(loss, second)


@pytest.mark.parametrize(("name", "key"), cases(DETECTOR_OPTIONS))
def test_an_option_of_a_detector_makes_it_another_one(name: str, key: str) -> None:
    """What it finds otherwise is tested beside the detector."""
    case = DETECTOR_OPTIONS[name][key]
    assert len({create_detector(name, **{key: value}).fingerprint for value in (case.one, case.other)}) == 2


def test_put_sets_items_of_lists() -> None:
    assert put({"a": [{"b": 1}]}, {"a[].b": 2, "c.d": np.True_}) == {"a": [{"b": 2}], "c": {"d": True}}
