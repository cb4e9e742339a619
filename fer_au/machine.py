"""Processor of this machine: its name, and the instructions that libraries may use."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")

# From the most capable on: our name, the flag of /proc/cpuinfo, and the values of ONEDNN_MAX_CPU_ISA that allow it at
# the most. Any other value, such as ALL, allows everything.
_INSTRUCTION_SETS = (
    ("AMX-BF16", "amx_bf16", ()),
    ("AVX512-BF16", "avx512_bf16", ("AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX10_1_512")),
    ("AVX512-VNNI", "avx512_vnni", ("AVX512_CORE_VNNI",)),
    ("AVX512", "avx512bw", ("AVX512_CORE",)),
    ("AVX2", "avx2", ("AVX2", "AVX2_VNNI", "AVX2_VNNI_2")),
    ("AVX", "avx", ("AVX",)),
    ("SSE4.1", "sse4_1", ("SSE41",)),
)
_FAST_AT_BF16 = ("AMX-BF16", "AVX512-BF16")


def cpu_name(cpuinfo: Path = _CPUINFO) -> str:
    """Name the processor as its maker does where the system tells it, else by its architecture."""
    return _cpu_entry("model name", cpuinfo) or platform.processor() or platform.machine()


def instruction_set(cpuinfo: Path = _CPUINFO) -> str:
    """Name the most capable instruction set that oneDNN, torch's library for networks, may use on this processor.

    The variable ``ONEDNN_MAX_CPU_ISA`` (``DNNL_MAX_CPU_ISA`` in older releases) can hold it below what is there.

    Returns:
        ``AMX-BF16``, ``AVX512-BF16``, ``AVX512-VNNI``, ``AVX512``, ``AVX2``, ``AVX`` or ``SSE4.1``; ``unknown`` for
        another architecture, or where the system doesn't tell.
    """
    flags = _cpu_entry("flags", cpuinfo).split()
    limit = (os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "").strip().upper()
    start = next((at for at, (_, _, values) in enumerate(_INSTRUCTION_SETS) if limit in values), 0)
    return next((name for name, flag, _ in _INSTRUCTION_SETS[start:] if flag in flags), "unknown")


def is_fast_at_bf16(cpuinfo: Path = _CPUINFO) -> bool:
    """Tell whether the processor multiplies bfloat16 itself; others emulate it, slower than float32."""
    return instruction_set(cpuinfo) in _FAST_AT_BF16


def _cpu_entry(key: str, cpuinfo: Path) -> str:
    """Look up an entry of the first processor; empty where the system doesn't tell."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    entries = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in entries if name.strip() == key), "")
