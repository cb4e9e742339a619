"""Numeric precision of training: ``auto`` takes bfloat16 where the hardware is fast at it, else float32."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Literal

import torch

from fer_au.errors import ConfigError

Precision = Literal["fp32", "bf16", "fp16"]

_FAST_BF16_FLAGS = {"amx_bf16", "avx512_bf16"}
_CPUINFO = Path("/proc/cpuinfo")


def resolve_precision(requested: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device) -> Precision:
    """The precision to train in.

    Args:
        requested: ``train.precision``.
        device: Where training runs.

    Raises:
        ConfigError: fp16 off a GPU, where its gradients underflow and its kernels are slow.
    """
    if requested == "fp16" and device.type != "cuda":
        raise ConfigError("train.precision: fp16 needs a GPU; use auto, fp32 or bf16")
    if requested != "auto":
        return requested
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if device.type == "cpu" and cpu_is_fast_at_bf16() else "fp32"


def cpu_is_fast_at_bf16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether the CPU multiplies bfloat16 natively (AMX or AVX512-BF16); others emulate it, slower than float32."""
    if platform.system() != "Linux":
        return False
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _FAST_BF16_FLAGS.isdisjoint(flags.split())


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The context of a forward pass in a precision."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "fp32")
