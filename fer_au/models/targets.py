"""Classes of images as an argument: by name or index, one for each image or one for all."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fer_au.arguments import plain, read_labels, read_list, read_whole
from fer_au.array_arguments import read_array
from fer_au.errors import ArgumentError


def read_target(name: str, target: object, images: int, classes: Sequence[str]) -> Tensor:
    """Read one class for each image: names or indices, or one name or index for all.

    Args:
        name: Name of the argument.
        target: What was given.
        images: Number of images.
        classes: Classes of the model.

    Returns:
        (N,) int64 class indices, a copy, on the device of a tensor that was given.

    Raises:
        ArgumentError: It is something else, or names a class that the model doesn't have.
    """
    one = plain(target)
    if isinstance(one, str):
        return torch.full((images,), _index(name, one, classes))
    if isinstance(one, int):
        return torch.full((images,), read_whole(name, one, least=0, most=len(classes) - 1))
    if not isinstance(target, Tensor):
        items = read_list(name, target, f"a class, or one for each of {images} images: names or indices")
        if items and any(isinstance(item, str) for item in items):
            target = [_index(f"{name}[{place}]", item, classes) for place, item in enumerate(items)]
        else:
            target = read_array(name, items if getattr(target, "ndim", 1) == 1 else target, (images,), "integer")
    indices = torch.as_tensor(read_array(name, target, (images,), "integer")).to(torch.int64, copy=True)
    if images and not 0 <= int(indices.min()) <= int(indices.max()) < len(classes):
        raise ArgumentError(f"{name}: expected class indices from 0 to {len(classes) - 1}, got {indices.tolist()[:20]}")
    return indices


def _index(name: str, text: object, classes: Sequence[str]) -> int:
    """Find the class of a name: an expression in any case and by its synonyms, or a person."""
    label = text if isinstance(text, str) and text in classes else read_labels(name, [text])[0]
    if label not in classes:
        raise ArgumentError(f"{name}: expected one of the model's classes {', '.join(classes)}, got {label!r}")
    return list(classes).index(label)
