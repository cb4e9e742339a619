"""What the machine says of its processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_au.machine import cpu_name, instruction_set, is_fast_at_bf16

SERVER = "fpu sse4_1 avx avx2 avx512f avx512bw avx512_vnni avx512_bf16 amx_bf16 amx_tile"


@pytest.fixture(autouse=True)
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)


def cpuinfo(folder: Path, flags: str) -> Path:
    path = folder / "cpuinfo"
    path.write_text(f"processor\t: 0\nmodel name\t: Some Chip 3000\nflags\t\t: {flags}\nflags\t\t: other\n")
    return path


def test_the_processor_is_named_or_its_architecture(tmp_path: Path) -> None:
    assert cpu_name(cpuinfo(tmp_path, "")) == "Some Chip 3000"
    assert cpu_name(tmp_path / "none")


@pytest.mark.parametrize(
    ("flags", "name", "fast"),
    [
        (SERVER, "AMX-BF16", True),
        ("fpu avx512f avx512bw avx512_bf16", "AVX512-BF16", True),
        ("fpu avx2 avx512f avx512bw", "AVX512", False),
        ("fpu avx avx2", "AVX2", False),
        ("fp asimd", "unknown", False),
    ],
)
def test_the_most_capable_instruction_set_is_named(tmp_path: Path, flags: str, name: str, fast: bool) -> None:
    path = cpuinfo(tmp_path, flags)
    assert instruction_set(path) == name
    assert is_fast_at_bf16(path) is fast
    assert instruction_set(tmp_path / "absent") == "unknown"


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        ("AVX2", "AVX2"), ("avx512_core_vnni", "AVX512-VNNI"), ("AVX512_CORE_BF16", "AVX512-BF16"), ("SSE41", "SSE4.1"),
        ("ALL", "AMX-BF16"), ("", "AMX-BF16"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_a_limit_of_the_library_holds_it_below_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, limit: str, name: str
) -> None:
    monkeypatch.setenv(variable, limit)
    assert instruction_set(cpuinfo(tmp_path, SERVER)) == name
    assert is_fast_at_bf16(tmp_path / "cpuinfo") is name.endswith("BF16")
