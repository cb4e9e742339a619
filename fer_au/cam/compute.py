"""Class activation maps of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fer_au.arguments import check_type, plain, read_flag, read_list, read_text
from fer_au.cam.forward import CamInput, ForwardPass, undisturbed
from fer_au.cam.registry import create_cam, raw_maps, resolve_cams
from fer_au.maps import min_max
from fer_au.models.network import FerModel, check_model, read_input
from fer_au.models.targets import read_target

Target = Tensor | NDArray[np.integer] | Sequence[int] | Sequence[str] | int | str | None


class CamRun:
    """A batch that went through a model once, and can be explained by several CAMs, for any classes.

    The model runs in evaluation mode and float32, and is left as it was found: its mode, its gradients, its hooks.
    Works inside ``no_grad``, ``inference_mode`` and autocast. CAMs at a feature layer keep the graph of the whole
    network, which needs the memory of a training step of the same batch; the others differentiate the head alone.

    Args:
        model: Classifier.
        x: Normalised images (N, views * in_chans, H, W) of any float type, on the model's device.
        cams: Names of methods, one of ``list_cams()`` each, alone or with a feature layer: ``layercam@3``.

    Attributes:
        output: The model's output, without gradient history.

    Raises:
        UnknownNameError: There is no such method.
        ConfigError: The model can't have a CAM, or not of that layer.
        ArgumentError: ``model`` is none of the project's, or ``x`` no batch for it.

    Example:
        >>> import torch
        >>> from fer_au.models import create_model
        >>> model = create_model({"backbone": "test_resnet"}, ["happiness", "anger"], seed=0)
        >>> run = CamRun(model, torch.zeros(2, 3, 64, 64), ["gradcam", "layercam@2"])
        >>> maps = run.maps(run.output.logits.argmax(1))
        >>> {cam: tuple(own.shape) for cam, own in maps.items()}
        {'gradcam': (2, 2, 2), 'layercam@2': (2, 16, 16)}
    """

    def __init__(self, model: FerModel, x: Tensor, cams: Sequence[str]) -> None:
        check_model("model", model)
        x = read_input("x", x, model)
        self._cams = resolve_cams(read_list("cams", cams, "a list of names"), model)
        layers = dict.fromkeys(cam.layer for cam in self._cams.values() if cam.layer is not None)
        gradients = any(cam.method.needs_gradients for cam in self._cams.values())
        self._passed = ForwardPass(model, x, tuple(layers), gradients=gradients)
        self.output = self._passed.output

    def maps(self, target: Target = None, *, normalize: bool = True) -> dict[str, Tensor]:
        """Compute the CAMs of one class per image; all that need gradients share one backward pass.

        Args:
            target: Classes of the images, by index or by name: (N,), or one for all; None for those that the model
                predicts.
            normalize: Scale each map to [0, 1] by its own range; a constant map, such as one that is 0 everywhere
                after rectification, becomes 0. False gives raw values: positive ones speak for the class.

        Returns:
            CAM -> (N, h, w) float32 without gradient history, on the model's device. The grid is that of the layer, or
            the image's own for methods that explain pixels.

        Raises:
            PartError: A method, another package's, gave something else than maps.
            ArgumentError: ``target`` is not one valid class per image.
        """
        passed, normalize = self._passed, read_flag("normalize", normalize)
        predicted = self.output.logits.argmax(1)
        chosen = predicted if target is None else read_target("target", target, len(predicted), passed.model.classes)
        found = {}
        with undisturbed(passed.model, passed.images.device):
            wanted = chosen.to(passed.images.device, copy=True)
            gradients = cache(lambda: passed.gradients(wanted))
            for name, cam in self._cams.items():
                maps = raw_maps(cam.method, CamInput(passed, wanted, cam.layer, gradients)).float()
                found[name] = min_max(maps) if normalize else maps
        return found


def compute_cam(
    name: str,
    model: FerModel,
    x: Tensor,
    target: Target = None,
    layer: int | str | None = None,
    *,
    normalize: bool = True,
) -> Tensor:
    """Compute one class activation map per image; several at once come cheaper from ``CamRun``.

    Args:
        name: Name of a method, one of ``list_cams()``.
        model: Classifier; left as it was found.
        x: Normalised images (N, views * in_chans, H, W) of any float type, on the model's device.
        target: Classes of the images, by index or by name: (N,), or one for all; None for those that the model
            predicts.
        layer: Feature layer to explain, by number or ``"last"``; default: the map that the head reads.
        normalize: Scale each map to [0, 1] by its own range; a constant map becomes 0. False gives the method's raw
            values.

    Returns:
        (N, h, w) float32 without gradient history, on the model's device.

    Raises:
        UnknownNameError: There is no such method.
        ConfigError: The model can't have that CAM, or not of that layer.
        PartError: The method, another package's, gave something else than maps.
        ArgumentError: ``target`` is not one valid class per image, ``model`` none of the project's, or ``x`` no
            batch for it.

    Example:
        >>> import torch
        >>> from fer_au.models import create_model
        >>> model = create_model({"backbone": "test_resnet"}, ["happiness", "anger"], seed=0)
        >>> x, target = torch.zeros(2, 3, 64, 64), torch.tensor([0, 1])
        >>> compute_cam("layercam", model, x, target).shape, compute_cam("layercam", model, x, target, layer=2).shape
        (torch.Size([2, 2, 2]), torch.Size([2, 16, 16]))
    """
    cam = read_text("name", name, "the name of a CAM method, one of list_cams()")
    if layer is not None:
        create_cam(cam)
        own = check_type("layer", plain(layer), (int, str), 'the number of a layer, "last" or None')
        cam = f"{cam}@{own}"
    return CamRun(model, x, [cam]).maps(target, normalize=normalize)[cam]
