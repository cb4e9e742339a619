"""Head ``acol``: what the second branch sees, and that evaluation needs no label."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fer_au.maps import min_max
from fer_au.models.heads.acol import AcolHead
from fer_au.models.parts import TrunkOutput

CHANNELS, CLASSES = 6, 4
LABELS = torch.tensor([3, 0, 2])


def features() -> Tensor:
    return torch.randn(3, CHANNELS, 5, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def head() -> AcolHead:
    torch.manual_seed(1)
    return AcolHead(CHANNELS, CLASSES, width=8, threshold=0.4).train()


def erased(head: AcolHead, labels: Tensor) -> Tensor:
    """Features without the cells where the first branch's map of the class is at least 0.4 of its range, by loops."""
    left = features()
    with torch.no_grad():
        maps = head.first(left)
    for sample, label in enumerate(labels.tolist()):
        plane = maps[sample, label]
        high = (plane - plane.min()) / (plane.max() - plane.min()) >= 0.4
        left[sample][:, high] = 0
    return left


def test_the_second_branch_sees_what_the_first_one_leaves_of_the_true_class(head: AcolHead) -> None:
    with torch.no_grad():
        output = head(TrunkOutput(features(), {}), LABELS)
        (second,) = output.auxiliary
        assert torch.allclose(output.logits, head.first(features()).mean((2, 3)), atol=1e-6)
        assert torch.allclose(second, head.second(erased(head, LABELS)).mean((2, 3)), atol=1e-5)


def test_no_gradient_passes_through_the_choice_of_what_is_erased(head: AcolHead) -> None:
    (second,) = head(TrunkOutput(features(), {}), LABELS).auxiliary
    second.square().sum().backward()
    assert all(parameter.grad is None for parameter in head.first.parameters())
    assert all(parameter.grad is not None for parameter in head.second.parameters())


def test_without_labels_training_erases_by_the_own_prediction(head: AcolHead) -> None:
    with torch.no_grad():
        output = head(TrunkOutput(features(), {}))
        expected = head.second(erased(head, output.logits.argmax(1))).mean((2, 3))
    assert torch.allclose(output.auxiliary[0], expected, atol=1e-5)


def test_evaluation_needs_no_label_and_predicts_with_the_first_branch_alone(head: AcolHead) -> None:
    head.eval()
    with torch.no_grad():
        output = head(TrunkOutput(features(), {}))
        torch.nn.init.constant_(head.second[0].weight, float("nan"))
        assert torch.equal(head(TrunkOutput(features(), {})).logits, output.logits)
    assert output.auxiliary == ()


def test_class_maps_are_the_larger_of_both_branches_maps_with_each_class_erased(head: AcolHead) -> None:
    head.eval()
    with torch.no_grad():
        maps = head.class_maps(TrunkOutput(features(), {}))
        for label in range(CLASSES):
            left = erased(head, torch.full((3,), label))
            both = torch.stack([min_max(head.first(features())[:, label]), min_max(head.second(left)[:, label])])
            assert torch.allclose(maps[:, label], both.amax(0), atol=1e-5)


def test_a_threshold_above_all_but_the_maximum_erases_only_that(head: AcolHead) -> None:
    head.options = head.options.model_copy(update={"threshold": 1.0})
    seen: list[Tensor] = []
    head.second.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        head(TrunkOutput(features(), {}), LABELS)
    assert (seen[0] == 0).all(1).sum((1, 2)).tolist() == [1, 1, 1]
