"""On what an experiment ran: ``environment.*`` of a metrics file."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import torch

from fer_au import __version__

_CPUINFO = Path("/proc/cpuinfo")


def environment_metrics(device: torch.device, precision: str) -> dict[str, str]:
    """Versions and hardware.

    Args:
        device: Where the evaluation runs.
        precision: Numeric precision of the training.
    """
    return {
        "environment.python": platform.python_version(),
        "environment.torch": str(torch.__version__),
        "environment.timm": version("timm"),
        "environment.fer_au": __version__,
        "environment.device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "environment.precision": precision,
        "environment.cpu": cpu_name(),
    }


def cpu_name(cpuinfo: Path = _CPUINFO) -> str:
    """The processor's marketing name where the system tells it, else its architecture."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name") and ":" in line]
    return names[0] if names else platform.processor() or platform.machine()
