"""CAM methods: their base class, their registry, and which of them a model can have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from fer_au.answers import check_array, check_range
from fer_au.arguments import read_list, read_text
from fer_au.cam.forward import CamInput
from fer_au.config.cams import CamChoice
from fer_au.errors import ConfigError, MissingCamError
from fer_au.models.network import FerModel, check_model
from fer_au.registry import Registry


class CamMethod(ABC):
    """Base of the CAM methods. A subclass defines ``maps``, and registers under a name.

    Attributes:
        layered: Whether it explains any feature layer (``layercam@3``), by what ``CamInput`` gives of it.
        needs_gradients: Whether it can't do without gradients, which a model from a file has none of.
    """

    layered: ClassVar[bool] = True
    needs_gradients: ClassVar[bool] = True

    @abstractmethod
    def maps(self, batch: CamInput) -> Tensor:
        """Compute raw maps (N, h, w) of the target classes. Positive values speak for the class."""

    def check(self, model: FerModel) -> None:  # noqa: B027 (most methods take every model)
        """Make sure that a model has what the method needs; this default takes every model.

        Raises:
            ConfigError: It hasn't; the message says what is missing and what to choose.
        """


CAMS: Registry[type[CamMethod]] = Registry(
    "CAM method",
    "fer_au.cams",
    built_in={
        "attention": "fer_au.cam.tokens",
        "gradcam": "fer_au.cam.methods",
        "gradcam++": "fer_au.cam.methods",
        "guided_gradcam": "fer_au.cam.pixels",
        "hirescam": "fer_au.cam.methods",
        "integrated_gradients": "fer_au.cam.pixels",
        "layercam": "fer_au.cam.methods",
        "native": "fer_au.cam.methods",
        "occlusion": "fer_au.cam.occlusion",
        "prm_peak": "fer_au.cam.peaks",
        "rollout": "fer_au.cam.tokens",
        "xgradcam": "fer_au.cam.methods",
    },
    base=CamMethod,
)


def raw_maps(method: CamMethod, batch: CamInput) -> Tensor:
    """Compute the raw maps (N, h, w) of a CAM method, and check them.

    Raises:
        PartError: The method gave something else than finite maps, one per image, where the features are.
    """
    title, maps = CAMS.title(method), method.maps(batch)
    check_array(title, "maps", maps, (len(batch.target), "h", "w"), like=batch.features)
    # A model whose features are NaN has no maps, by any method. Maps are small; features are looked at in need only.
    if not bool(torch.isfinite(maps).all()) and bool(torch.isfinite(batch.features).all()):
        check_range(title, "maps", maps)
    return maps


def list_cams() -> list[str]:
    """List the names of the available CAM methods.

    Example:
        >>> {"gradcam", "layercam", "native"} <= set(list_cams())
        True
    """
    return CAMS.names()


def create_cam(name: str) -> CamMethod:
    """Make the CAM method of a name.

    Raises:
        UnknownNameError: No method has that name; the message lists near names.
    """
    return CAMS.get(name)()


class Cam(NamedTuple):
    """A CAM that a model has.

    Attributes:
        method: The method.
        layer: Name of the feature layer that it explains; None for the map that the head reads.
    """

    method: CamMethod
    layer: str | None


def resolve_cams(cams: Iterable[str], model: FerModel) -> dict[str, Cam]:
    """Find the methods and layers of configured CAMs.

    Args:
        cams: Names of methods, each alone or with a feature layer: ``gradcam``, ``layercam@3``, ``layercam@last``.
        model: Classifier.

    Returns:
        CAM as it was asked for -> method and layer.

    Raises:
        UnknownNameError: There is no such method.
        MissingCamError: A model can't have a CAM, or not of that layer.
        ConfigError: No model can have it.
        ArgumentError: ``model`` is none of the project's, or ``cams`` no list of names.
    """
    check_model("model", model)
    names = [
        read_text(f"cams[{place}]", cam, "the name of a CAM method")
        for place, cam in enumerate(read_list("cams", cams, "a list of names"))
    ]
    return {cam: _resolve(cam, model) for cam in names}


def _resolve(cam: str, model: FerModel) -> Cam:
    try:
        choice = CamChoice.parse(cam)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    method = create_cam(choice.method)
    if choice.layer is not None and not method.layered:
        raise ConfigError(f"{cam}: it explains no single layer; write {choice.method!r}")
    try:
        layer = None if choice.layer is None else model.resolve_layers([choice.layer])[0]
        if method.needs_gradients and not model.has_gradients:
            raise ConfigError("the model is a file, which has no gradients; try occlusion")
        method.check(model)
    except ConfigError as error:
        raise MissingCamError(cam, str(error)) from error
    return Cam(method, layer)
