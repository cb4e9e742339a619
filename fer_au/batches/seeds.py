"""Seeds: every random draw derives from the experiment's seed and the epoch, so training can restart at any epoch."""

from __future__ import annotations

import hashlib

import torch
from torch import Generator


def derive_seed(seed: int, purpose: str, epoch: int) -> int:
    """Derive a 63-bit seed for one purpose in one epoch, unrelated to its neighbours'."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_for(seed: int, purpose: str, epoch: int) -> Generator:
    """Make a CPU generator for one purpose in one epoch."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, epoch))


def seed_layers(seed: int, epoch: int, process: int = 0) -> None:
    """Seed torch's global generator, which dropout draws from: differently in processes that train together."""
    torch.manual_seed(derive_seed(seed, f"layers/{process}" if process else "layers", epoch))
