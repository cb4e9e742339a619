"""Several processes run the tests, a part each: they must all find the same ones, in the same order."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNORDERED = (ast.Sub, ast.BitAnd, ast.BitXor)  # between sets, or views of keys; | may join dictionaries


def is_unordered(values: ast.expr) -> bool:
    """Tell whether an expression is a set, whose order differs from process to process."""
    if isinstance(values, ast.Call):
        return isinstance(values.func, ast.Name) and values.func.id in ("set", "frozenset")
    by_operator = isinstance(values, ast.BinOp) and isinstance(values.op, UNORDERED)
    return by_operator or isinstance(values, ast.Set | ast.SetComp)


def unordered_parameters(source: str) -> list[int]:
    """List the lines where tests take their parameters from a set."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "parametrize"]
    return [call.lineno for call in named if len(call.args) > 1 and is_unordered(call.args[1])]


def test_no_test_takes_its_parameters_from_a_set() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if (lines := unordered_parameters(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize("values", ["{'a', 'b'}", "A.keys() - B", "set(A)", "{a for a in A}"])
def test_such_a_set_would_be_found(values: str) -> None:
    assert unordered_parameters(f"@pytest.mark.parametrize('name', {values})\ndef test_it(name): ...") == [1]
    assert unordered_parameters(f"@pytest.mark.parametrize('name', sorted({values}))\ndef test_it(name): ...") == []
