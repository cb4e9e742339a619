"""Class activation maps of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_au.cam.registry import CamInput, create_cam
from fer_au.maps import min_max
from fer_au.models.network import FerModel, evaluating
from fer_au.models.parts import in_float32


def compute_cam(name: str, model: FerModel, x: Tensor, target: Tensor, *, normalize: bool = True) -> Tensor:
    """Compute one class activation map per image, on the grid of the model's last feature map.

    The model runs in evaluation mode and is left as it was found: its mode, its gradients, its hooks. Works inside
    ``no_grad``, ``inference_mode`` and autocast.

    Args:
        name: Name of a method, one of ``list_cams()``.
        model: Classifier.
        x: Normalised images (N, views * in_chans, H, W) on the model's device.
        target: (N,) class indices, integers.
        normalize: Scale each map to [0, 1] by its own range; a constant map, such as one that is 0 everywhere after
            rectification, becomes 0. False gives the method's raw values.

    Returns:
        (N, h, w) float32 without gradient history, on the model's device.

    Raises:
        UnknownNameError: There is no such method.
        ValueError: ``target`` is not one valid class index per image.

    Example:
        >>> import torch
        >>> from fer_au.models import create_model
        >>> model = create_model({"backbone": "test_resnet"}, ["happiness", "anger"], seed=0)
        >>> compute_cam("layercam", model, torch.zeros(2, 3, 64, 64), torch.tensor([0, 1])).shape
        torch.Size([2, 2, 2])
    """
    method = create_cam(name)
    _check_target(target, len(x), len(model.classes))
    # Tensors made in inference mode can't take part in autograd, so it is left for the whole computation.
    with torch.inference_mode(False), torch.no_grad(), evaluating(model):
        with in_float32(model.trunk(x)) as trunk:
            maps = method.maps(CamInput(model.head, trunk, target.to(trunk.final.device, torch.int64, copy=True)))
        return min_max(maps) if normalize else maps.float()


def _check_target(target: Tensor, images: int, classes: int) -> None:
    if target.shape != (images,) or target.dtype.is_floating_point or target.dtype == torch.bool:
        raise ValueError(f"target must hold {images} integers, not {target.dtype} of shape {tuple(target.shape)}")
    if images and not 0 <= int(target.min()) <= int(target.max()) < classes:
        raise ValueError(f"target must be class indices from 0 to {classes - 1}")
