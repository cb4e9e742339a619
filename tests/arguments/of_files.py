"""Public functions that take stores and presets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.arguments.forms import AS_IT_IS, MAPPINGS, NO_NUMBERS, NO_TEXTS, SIZES, WHOLE, WORDS, Kind, tensor
from tests.arguments.kinds import CODEBOOK, FLAG, PATH, TEXT, Case, _written, faces, one_of, world


def _store(**arguments: Any) -> Any:
    from fer_au.stores import Store

    return Store.open(**arguments).attributes


def _opened(method: str) -> Callable[..., Any]:
    def call(**arguments: Any) -> Any:
        from fer_au.stores import Store

        return getattr(Store.open(world()["store"], "landmarks"), method)(**arguments)

    return call


def _columns(count: int) -> dict[str, np.ndarray]:
    return {
        "id": np.array([b"a", b"b", b"c"][:count], "S1"),
        "points": faces(count).astype(np.float32),
        "score": np.zeros(count, np.float32),
        "status": np.zeros(count, np.uint8),
    }


def _preset() -> Any:
    from fer_au.presets import load_preset

    return load_preset("lan-kdef")


_PLACE = Kind({name: form for name, form in SIZES.items() if "float" not in name}, ["a", None, [1], 1.5])


def negative_or_same(array: np.ndarray) -> np.ndarray:
    turned: np.ndarray = np.ascontiguousarray(array[::-1])[::-1]
    return turned


CASES = [
    Case("fer_au.presets:load_preset", lambda n: {"name_or_path": "lan-kdef"}, {"name_or_path": CODEBOOK}, counts=(1,)),
    Case(
        "fer_au.presets:expand",
        lambda n: {"name": "lan-kdef", "preset": _preset(), "grid": {"train.optimizer.lr": [0.5]}},
        {
            "name": TEXT,
            "preset": Kind(AS_IT_IS, [None, "lan-kdef", 3, {}]),
            "grid": Kind(
                MAPPINGS, [3, "word", ["a"], {3: [1]}, {"train.optimizer.lr": 0.5}, {"train.optimizer.lr": "0.5"}]
            ),
        },
        counts=(1,),
    ),
    Case(
        "fer_au.presets:write_preset",
        lambda n: {"name": "lan-kdef", "output": world()["out"], "grid": {}, "replace": True},
        {"name": CODEBOOK, "output": PATH, "grid": Kind(MAPPINGS, [3, "word", ["a"], {3: [1]}]), "replace": FLAG},
        _written("fer_au.presets", "write_preset"),
        counts=(1,),
    ),
    Case(
        "fer_au.stores:fingerprint",
        lambda n: {"name": "mine", "version": 1, "options": {"a": 1}},
        {
            "name": TEXT,
            "version": Kind(SIZES, [-1, "a", None, 2.5, True]),
            "options": Kind({"dict": dict}, [3, "a", ["a"], {"a": object()}]),
        },
        counts=(1,),
    ),
    Case(
        "fer_au.stores:encode_ids",
        lambda n: {"ids": ["a", "bb", "é"][:n]},
        {
            "ids": Kind(
                {"list": list, "tuple": tuple, "generator": iter, "array": lambda v: np.array(v, str)},
                [None, 3, "abc", b"abc", [3], [None], ["a\0"], ["\ud800"], {"a"}, {"a": 1}],
            )
        },
    ),
    Case(
        "fer_au.stores:pack_ragged",
        lambda n: {"rows": [b"a", b"", b"ccc"][:n], "name": "data"},
        {
            "rows": Kind(
                {"list": list, "tuple": tuple, "generator": iter, "views": lambda v: list(map(memoryview, v))},
                [None, 3, "abc", b"abc", [3], ["a"], {b"a"}],
            ),
            "name": TEXT,
        },
    ),
    Case(
        "fer_au.stores:Store.open",
        lambda n: {"path": world()["store"], "schema": "landmarks"},
        {"path": PATH, "schema": one_of("landmarks")},
        _store,
        counts=(1,),
    ),
    Case(
        "fer_au.stores:Store.rows",
        lambda n: {"name": "points", "start": 1, "stop": 3},
        {"name": TEXT, "start": _PLACE, "stop": _PLACE},
        _opened("rows"),
        counts=(1,),
    ),
    Case(
        "fer_au.stores:Store.take",
        lambda n: {"name": "points", "positions": np.array([1, 0])},
        {"name": TEXT, "positions": Kind(WHOLE, [*NO_NUMBERS, [-1], [10**6], [0.5]])},
        _opened("take"),
        counts=(1,),
    ),
    Case(
        "fer_au.stores:write_store",
        lambda n: {
            "path": world()["out"],
            "schema": "landmarks",
            "columns": _columns(n),
            "fingerprint": "f" * 64,
            "attributes": {"image_size": 96},
        },
        {
            "path": PATH,
            "schema": one_of("landmarks"),
            "columns": Kind(
                {
                    **MAPPINGS,
                    "strided": lambda c: {k: v if v.dtype.kind == "S" else negative_or_same(v) for k, v in c.items()},
                    "tensors": lambda c: {k: v if v.dtype.kind == "S" else tensor(v) for k, v in c.items()},
                },
                lambda c: [
                    None,
                    3,
                    "a",
                    ["a"],
                    {3: c["id"]},
                    {**c, "score": [0.0]},
                    {**c, "score": None},
                    {**c, "id": np.zeros((), "S1")},
                    {**c, "score": np.array([object()])},
                    {**c, "id": np.array(["a"])},
                ],
            ),
            "fingerprint": Kind(WORDS, [*NO_TEXTS, ""]),
            "attributes": Kind(
                {**MAPPINGS, "numpy": lambda a: {"image_size": np.int64(96)}},
                [3, "a", ["a"], {3: 1}, {"a": [1]}, {"a": None}, {"rows": 5}],
            ),
        },
        _written("fer_au.stores", "write_store"),
        counts=(0, 3),
    ),
]
