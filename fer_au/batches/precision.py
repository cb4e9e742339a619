"""Numeric precision of training: ``auto`` takes bfloat16 where the hardware is fast at it, else float32."""

from __future__ import annotations

from typing import Literal

import torch

from fer_au.errors import ConfigError
from fer_au.machine import is_fast_at_bf16

Precision = Literal["fp32", "bf16", "fp16"]


def resolve_precision(requested: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device) -> Precision:
    """Choose the precision to train in.

    Args:
        requested: ``train.precision``.
        device: Device of the training.

    Raises:
        ConfigError: fp16 off a GPU, where its gradients underflow and its kernels are slow.
    """
    if requested == "fp16" and device.type != "cuda":
        raise ConfigError("train.precision: fp16 needs a GPU; use auto, fp32 or bf16")
    if requested != "auto":
        return requested
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if device.type == "cpu" and is_fast_at_bf16() else "fp32"


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Make the context of a forward pass in a precision."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "fp32")
