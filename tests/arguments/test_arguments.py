"""Arguments of public functions: every form that people pass is taken as it was meant, or refused in one line.

``forms`` lists the forms, ``of_...`` the functions. A right argument in another form gives what the
canonical one gives, and is left as it was; a mistake is an ``ArgumentError`` that names the argument.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fer_au
from fer_au.cam import compute_cam
from fer_au.errors import ArgumentError
from fer_au.ibug68 import MEAN_FACE, inter_ocular_distance, mirror_points
from fer_au.models import create_model
from tests.arguments import kinds, of_faces, of_files, of_maps, of_models, of_training
from tests.arguments.forms import LISTS, STRIDES, Kind
from tests.arguments.kinds import TENSOR_FORMS, Case

CASES = [*of_maps.CASES, *of_faces.CASES, *of_models.CASES, *of_training.CASES, *of_files.CASES]
FEW = settings(derandomize=True, database=None, max_examples=4)
ROUNDING = 2e-2  # bfloat16 inputs of float32 networks

# Public names that people don't call with values of their own, by the reason.
_NOT_CALLED = {
    "bases and records of parts": (
        "Adapter",
        "Annotations",
        "CamInput",
        "CamMethod",
        "Codebook",
        "Cue",
        "Detection",
        "Detector",
        "Extractor",
        "ExtractorCard",
        "Geometry",
        "GuidanceLoss",
        "Operation",
        "Record",
        "Scan",
        "SingleExtractor",
        "WeightsCard",
    ),
    "answers": (
        "AlignedFace",
        "Batch",
        "Expansion",
        "FaceStatus",
        "LandmarkStatus",
        "ManifestRow",
        "ModelOutput",
        "PairedDifference",
        "Preset",
        "Project",
        "Template",
    ),
    "stages, called with settings that are checked": (
        "align_dataset",
        "check_params",
        "evaluate_experiment",
        "extract_dataset",
        "ingest_dataset",
        "main",
        "refuse_problems",
        "render_dataset",
        "survey_dataset",
        "train_experiment",
        "write_report",
    ),
    "machinery of the stages": (
        "BatchLoader",
        "FaceDataset",
        "Progress",
        "batched",
        "code_digest",
        "compute_rows",
        "in_order",
        "in_words",
        "log",
        "map_ordered",
        "map_unordered",
        "open_workers",
        "stage_code",
        "warm_workers",
        "worker_count",
    ),
}


@pytest.fixture(autouse=True, scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> None:
    kinds.FOLDER_OF_WORLD[:] = [tmp_path_factory.mktemp("world")]
    kinds.world.cache_clear()


def leaves(value: object) -> Iterator[Any]:
    """List the values inside an answer."""
    if isinstance(value, Mapping):
        yield sorted(map(str, value))
        for key in sorted(value, key=str):
            yield from leaves(value[key])
    elif isinstance(value, list | tuple):
        yield len(value)
        for one in value:
            yield from leaves(one)
    elif is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            yield from leaves(getattr(value, one.name))
    elif value is None or isinstance(value, np.ndarray | torch.Tensor | str | bytes | bool | int | float | Path):
        yield value
    else:
        yield type(value).__qualname__


def same(found: object, expected: object) -> None:
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        one, other = (
            value.detach().float().numpy() if isinstance(value, torch.Tensor) else value for value in (one, other)
        )
        if isinstance(other, np.ndarray) and other.dtype.kind in "fc":
            np.testing.assert_allclose(one, other, atol=ROUNDING, rtol=ROUNDING, equal_nan=True)
        else:
            np.testing.assert_equal(one, other)


def arrays_in(*values: object) -> list[np.ndarray]:
    found = [one for value in values for one in leaves(value) if isinstance(one, np.ndarray | torch.Tensor)]
    return [
        one.detach().numpy() if isinstance(one, torch.Tensor) and one.dtype != torch.bfloat16 else np.asarray(one)
        for one in found
        if not (isinstance(one, torch.Tensor) and one.dtype == torch.bfloat16)
    ]


def right_forms(case: Case, argument: str, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = case.kinds[argument]
    for name, form in kind.good.items():
        if (
            count or name not in (*LISTS, "list of tensors") or argument == "labels"
        ):  # an empty list says nothing of its other axes
            arguments = case.make(count)
            if arguments[argument] is not None:
                arguments[argument] = form(arguments[argument])
            yield name, arguments


PAIRS = [pytest.param(case, name, id=f"{case.place}-{name}") for case in CASES for name in case.kinds]


@pytest.mark.parametrize(("case", "argument"), PAIRS)
def test_every_form_is_taken_as_it_was_meant(case: Case, argument: str) -> None:
    @FEW
    @given(count=st.sampled_from(case.counts))
    def check(count: int) -> None:
        expected = case(case.make(count))
        for name, arguments in right_forms(case, argument, count):
            before = copy.deepcopy(case.make(count))
            given = arguments[argument]
            held = copy.deepcopy(given) if isinstance(given, np.ndarray) else None
            found = case(arguments)
            same(found, expected)
            if held is not None:
                np.testing.assert_array_equal(given, held)
            inputs = arrays_in(*arguments.values())
            assert not any(np.shares_memory(one, other) for one in arrays_in(found) for other in inputs), name
            same(
                {
                    key: value
                    for key, value in arguments.items()
                    if key != argument and not hasattr(value, "parameters")
                },
                {key: value for key, value in before.items() if key != argument and not hasattr(value, "parameters")},
            )
            if case.leads == argument:
                answers = [one for one in leaves(found) if isinstance(one, np.ndarray | torch.Tensor)]
                kinds = {isinstance(one, torch.Tensor) for one in answers}
                assert kinds <= {name in TENSOR_FORMS}, name

    check()


ARRAYS = [
    pytest.param(case, name, id=f"{case.place}-{name}")
    for case in CASES
    for name, kind in case.kinds.items()
    if {"fortran", "list", "tensor"} <= kind.good.keys() and isinstance(case.make(1)[name], np.ndarray)
]


@pytest.mark.parametrize(("case", "argument"), ARRAYS)
def test_types_strides_and_containers_combine(case: Case, argument: str) -> None:
    forms = case.kinds[argument].good
    types = sorted(name for name in forms if name.startswith(("float", "int", "uint", "long")))
    containers = sorted({"list", "tuple", "tensor", "strided tensor", "generator", "table's column"} & forms.keys())
    expected = {count: case(case.make(count)) for count in case.counts if count}

    @settings(FEW, max_examples=12)
    @given(
        count=st.sampled_from(sorted(expected)),
        steps=st.tuples(
            st.sampled_from(["array", *types]),
            st.sampled_from(sorted(STRIDES)),
            st.sampled_from(["array", *containers]),
        ),
    )
    def check(count: int, steps: tuple[str, ...]) -> None:
        arguments = case.make(count)
        for step in steps:
            narrow = step.endswith("tensor") and not getattr(arguments[argument], "dtype", np.dtype(float)).isnative
            if not narrow and not (step.endswith("tensor") and arguments[argument].dtype == np.longdouble):
                arguments[argument] = forms[step](arguments[argument])
        same(case(arguments), expected[count])

    check()


@pytest.mark.parametrize(("case", "argument"), PAIRS)
def test_every_mistake_is_one_line_that_names_the_argument(case: Case, argument: str) -> None:
    kind, count = case.kinds[argument], case.counts[-1]
    for place, wrong in enumerate(kind.mistakes(case.make(count)[argument])):
        with pytest.raises(ArgumentError) as caught:
            pytest.fail(
                f"took mistake {place}, {wrong!r}, and gave {case({**case.make(count), argument: wrong})!r}"[:400]
            )
        message = str(caught.value)
        assert "\n" not in message
        assert any(word in message for word in (argument, *kind.said)), (place, message)


def _functions(room: ModuleType) -> Iterator[str]:
    """List the names of a room that people may call with arguments."""
    for name in getattr(room, "__all__", ()):
        value = getattr(room, name)
        if callable(value) and not (inspect.isfunction(value) and not inspect.signature(value).parameters):
            yield name


ROOMS = ["fer_au", *(f"fer_au.{room.name}" for room in pkgutil.iter_modules(fer_au.__path__) if room.ispkg)]


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_function_has_a_case(room: str) -> None:
    covered = {case.place.split(".labels")[0] for case in CASES}
    stems = {f"{place.partition(':')[0]}:{place.partition(':')[2].partition('.')[0]}" for place in covered}
    known = {name for names in _NOT_CALLED.values() for name in names}
    names = [name for name in _functions(importlib.import_module(room)) if name != "app"]
    missing = [name for name in names if f"{room}:{name}" not in stems and name not in known]
    assert not missing, f"{room}: no case in tests/arguments for {', '.join(missing)}"


def test_every_parameter_has_a_kind() -> None:
    for case in CASES:
        if case.call is None:
            taken = inspect.signature(case.function()).parameters
            named = {name for name, one in taken.items() if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)}
            assert named == set(case.kinds), case.place


def test_no_name_is_left_out_that_is_not_there() -> None:
    public = {name for room in ROOMS for name in getattr(importlib.import_module(room), "__all__", ())}
    assert {name for names in _NOT_CALLED.values() for name in names} <= public


def test_a_kind_may_list_its_mistakes_by_the_right_value() -> None:
    assert Kind({}, [1]).mistakes(2) == [1]
    assert Kind({}, lambda value: [value + 1]).mistakes(2) == [3]


def test_a_size_that_a_network_was_not_built_for_is_a_fault_of_the_images() -> None:
    vit = create_model({"backbone": "test_vit"}, ["happiness", "anger"], seed=0)
    for call in (vit, lambda x: compute_cam("gradcam", vit, x)):
        with pytest.raises(ArgumentError, match="x: 'test_vit' can't take images of 64x100") as caught:
            call(torch.zeros(2, 3, 100, 64))
        assert "\n" not in str(caught.value)


def test_points_in_narrow_numbers_have_the_distances_of_wide_ones() -> None:
    points = np.round(112 + 64 * MEAN_FACE)[None]
    expected = inter_ocular_distance(points)
    for narrow in (
        points.astype(np.uint8),
        points.astype(np.int8),
        torch.tensor(points).half(),
        points.astype(np.float16),
    ):
        wide = np.asarray(narrow, np.float64)
        np.testing.assert_allclose(np.asarray(inter_ocular_distance(narrow)), inter_ocular_distance(wide), rtol=1e-3)
    mirrored = mirror_points(points.astype(np.int64), 224.5)
    np.testing.assert_array_equal(mirrored, mirror_points(points, 224.5))
    assert expected.dtype == np.float64
