"""Disturb test images in five strengths each, alike for every model: what each disturbance does, and in which units.

All are functions of the picture, its landmarks, its id and a strength, whatever else lies in the batch, so that scores
of two models are paired. A disturbance that tells models apart by one part of the picture has a control: the strongest
disturbance of the same kind that leaves that part alone.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from fer_au.batches.similarities import warp
from fer_au.config.robustness import Disturbance as Name
from fer_au.evaluation.blurring import blur_images
from fer_au.evaluation.covering import cover, elsewhere, region_mask, skin
from fer_au.evaluation.disturbance_cards import CARDS, SHIFT, TURN, ZOOM, Card

_SEED = 0  # one draw for every experiment and every data set: scores are paired across models


@dataclass(frozen=True)
class Pictures:
    """Pictures of faces, and where the faces' regions lie in them.

    Attributes:
        images: (N, 3, S, S) float in [0, 1], as a model's preprocessing takes them.
        regions: (N, S, S) of ``cues.regions.region_labels``; -1 where there are no landmarks, or no picture.
    """

    images: Tensor
    regions: Tensor

    @property
    def known(self) -> Tensor:
        """Which pictures have regions, (N,) bool."""
        return self.regions[:, 0, 0] >= 0

    def part(self, rows: Tensor) -> Pictures:
        """Give the pictures at some positions (M,) alone."""
        return Pictures(self.images[rows], self.regions[rows])


@dataclass(frozen=True)
class Faces:
    """Faces that are disturbed together.

    Attributes:
        ids: N ids.
        pictures: N pictures.
        others: N pictures of faces of other classes, whose backgrounds are taken; None where they aren't needed.
        alike: N pictures of other faces of the same classes, whose backgrounds are taken; None as before.
    """

    ids: tuple[str, ...]
    pictures: Pictures
    others: Pictures | None = None
    alike: Pictures | None = None

    @property
    def images(self) -> Tensor:
        """The images of the pictures."""
        return self.pictures.images

    def part(self, rows: Tensor) -> Faces:
        """Give the faces at some positions (M,) alone."""
        others, alike = (None if one is None else one.part(rows) for one in (self.others, self.alike))
        return Faces(tuple(self.ids[row] for row in rows.tolist()), self.pictures.part(rows), others, alike)


@dataclass(frozen=True)
class Disturbed:
    """Disturbed pictures.

    Attributes:
        images: (N, 3, S, S) float in [0, 1].
        moves: (N, 2, 3) similarities by which the scene was moved, as ``batches.similarities.warp`` takes them; None
            where every point kept its place.
    """

    images: Tensor
    moves: Tensor | None = None

    def move_points(self, points: Tensor, side: float) -> Tensor:
        """Bring points (N, 68, 2) of the pictures, xy in [0, side], to where they are now."""
        if self.moves is None:
            return points
        moves = self.moves.to(points)
        centred = points * (2 / side) - 1
        moved: Tensor = centred @ moves[:, :, :2].transpose(1, 2) + moves[:, None, :, 2]
        return (moved + 1) * (side / 2)


class Disturbance(ABC):
    """One kind of disturbance.

    Args:
        card: Its description, kept as ``card``.
    """

    def __init__(self, card: Card) -> None:
        self.card = card

    def usable(self, faces: Faces) -> Tensor:
        """Tell which faces it can be done to, (N,) bool."""
        return torch.ones(len(faces.ids), dtype=torch.bool, device=faces.images.device)

    @abstractmethod
    def __call__(self, faces: Faces) -> Iterator[Disturbed]:
        """Yield the pictures in each strength, from the weakest; all faces must be usable."""

    def controllable(self, faces: Faces) -> Tensor:
        """Tell which faces its control can be done to, (N,) bool."""
        return self.usable(faces)

    def control(self, faces: Faces) -> Tensor:
        """Do the control, (N, 3, S, S); all faces must be controllable.

        Raises:
            NotImplementedError: There is none.
        """
        raise NotImplementedError


class Moved(Disturbance):
    """A turn, a zoom and a shift at once, each in a random direction; what comes into view repeats the border."""

    def __call__(self, faces: Faces) -> Iterator[Disturbed]:
        """Move pictures ever further in the same directions."""
        for strength in self.card.strengths:
            moves = draw_similarities(faces.ids, strength).to(faces.images)
            yield Disturbed(warp(faces.images, moves, "border"), moves)


class Filtered(Disturbance):
    """A filter of pixels that needs to know nothing about the face.

    Args:
        card: As for ``Disturbance``.
        change: Function from images (N, 3, S, S) and a strength to images.
    """

    def __init__(self, card: Card, change: Callable[[Tensor, float], Tensor]) -> None:
        super().__init__(card)
        self._change = change

    def __call__(self, faces: Faces) -> Iterator[Disturbed]:
        """Filter the pictures."""
        for strength in self.card.strengths:
            yield Disturbed(self._change(faces.images, strength))


class Faded(Disturbance):
    """A change that fades in: the strength is the share of the way to a picture that is wholly changed."""

    @abstractmethod
    def changed(self, faces: Faces) -> Tensor:
        """Change pictures wholly, (N, 3, S, S)."""

    def __call__(self, faces: Faces) -> Iterator[Disturbed]:
        """Fade the change in."""
        end = self.changed(faces)
        for strength in self.card.strengths:
            yield Disturbed(torch.lerp(faces.images, end, strength))


class Occluded(Faded):
    """A region that disappears under the colours around it; the control covers as much elsewhere on the face.

    Args:
        card: As for ``Disturbance``.
        region: Name of the region.
    """

    def __init__(self, card: Card, region: str) -> None:
        super().__init__(card)
        self._region = region

    def usable(self, faces: Faces) -> Tensor:
        """Tell which faces have landmarks."""
        return faces.pictures.known

    def changed(self, faces: Faces) -> Tensor:
        """Cover the region."""
        regions = faces.pictures.regions
        if self._region == "background":
            return cover(faces.images, region_mask(regions, self._region))
        return cover(faces.images, region_mask(regions, self._region), skin(regions))

    def control(self, faces: Faces) -> Tensor:
        """Cover as much elsewhere."""
        regions = faces.pictures.regions
        return cover(faces.images, elsewhere(region_mask(regions, self._region), regions), skin(regions))


class Swapped(Faded):
    """The background of a face of another class, behind the same face; the control takes one of the same class."""

    def usable(self, faces: Faces) -> Tensor:
        """Tell which faces have landmarks and a partner of another class."""
        return faces.pictures.known & _partners(faces.others).known

    def controllable(self, faces: Faces) -> Tensor:
        """Tell which faces have landmarks and a partner of the same class."""
        return faces.pictures.known & _partners(faces.alike).known

    def changed(self, faces: Faces) -> Tensor:
        """Swap the backgrounds."""
        return swap_backgrounds(faces.pictures, _partners(faces.others))

    def control(self, faces: Faces) -> Tensor:
        """Swap with another face of the same class."""
        return swap_backgrounds(faces.pictures, _partners(faces.alike))


def _partners(pictures: Pictures | None) -> Pictures:
    if pictures is None:
        raise ValueError("backgrounds are swapped with pictures that are missing")
    return pictures


def swap_backgrounds(faces: Pictures, others: Pictures) -> Tensor:
    """Put the backgrounds of other pictures behind faces; where the other face stands out, its background is grown in.

    Args:
        faces: N pictures whose faces stay.
        others: N pictures whose backgrounds are taken.

    Returns:
        (N, 3, S, S); every pixel of the face is its own, and what surrounds it blends softly.
    """
    behind = cover(others.images, 1 - region_mask(others.regions, "background"))
    return faces.images + region_mask(faces.regions, "background") * (behind - faces.images)


def draw_similarities(ids: tuple[str, ...], strength: float) -> Tensor:
    """Draw a similarity for each id: directions are the id's own, distances follow from the strength alone.

    Returns:
        (N, 2, 3) float32, normalised source points to normalised output points.
    """
    matrices = []
    for id_ in ids:
        digest = hashlib.sha256(f"{_SEED}/moved/{id_}".encode()).digest()
        turn = math.radians(TURN) * strength * (1 if digest[0] & 1 else -1)
        zoom = ZOOM ** (strength if digest[1] & 1 else -strength)
        heading = 2 * math.pi * int.from_bytes(digest[2:6], "big") / 2**32
        cosine, sine, shift = zoom * math.cos(turn), zoom * math.sin(turn), 2 * SHIFT * strength
        matrices.append([[cosine, -sine, shift * math.cos(heading)], [sine, cosine, shift * math.sin(heading)]])
    return torch.tensor(matrices, dtype=torch.float32).view(-1, 2, 3)


def shrink(images: Tensor, side: float) -> Tensor:
    """Bring images down to so many pixels and up again; those that are no larger stay as they are."""
    size = images.shape[-1]
    if side >= size:
        return images
    small = F.interpolate(images, size=(int(side),) * 2, mode="bilinear", align_corners=False, antialias=True)
    return F.interpolate(small, size=(size, size), mode="bilinear", align_corners=False)


def darken(images: Tensor, stops: float) -> Tensor:
    """Expose images by so many stops less: less light by powers of two, then eight bits again, as a camera stores."""
    linear = torch.where(images <= 0.04045, images / 12.92, ((images + 0.055) / 1.055) ** 2.4) / 2**stops
    encoded = torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=1e-9) ** (1 / 2.4) - 0.055)
    return (encoded * 255).round() / 255


def compress(images: Tensor, quality: float) -> Tensor:
    """Store images as JPEG (libjpeg's quality, colours at half the size) and read them, on the processor."""
    pixels = (images * 255).round().clamp(0, 255).to("cpu", torch.uint8).permute(0, 2, 3, 1).numpy()
    options = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    read = []
    for picture in pixels:
        done, data = cv2.imencode(".jpg", np.ascontiguousarray(picture[:, :, ::-1]), options)
        assert done  # noqa: S101 - a picture in memory can be encoded
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        read.append(np.asarray(decoded, np.uint8)[:, :, ::-1])
    found = torch.from_numpy(np.ascontiguousarray(np.stack(read).transpose(0, 3, 1, 2)))
    return found.to(images.device).to(images.dtype) / 255


TABLE: Mapping[Name, Disturbance] = {
    "moved": Moved(CARDS["moved"]),
    "blurred": Filtered(CARDS["blurred"], blur_images),
    "shrunk": Filtered(CARDS["shrunk"], shrink),
    "darkened": Filtered(CARDS["darkened"], darken),
    "jpeg": Filtered(CARDS["jpeg"], compress),
    "eyes_occluded": Occluded(CARDS["eyes_occluded"], "eyes"),
    "brows_occluded": Occluded(CARDS["brows_occluded"], "brows"),
    "nose_occluded": Occluded(CARDS["nose_occluded"], "nose"),
    "mouth_occluded": Occluded(CARDS["mouth_occluded"], "mouth"),
    "background_occluded": Occluded(CARDS["background_occluded"], "background"),
    "background_swapped": Swapped(CARDS["background_swapped"]),
}
"""Name -> disturbance, in the order of ``config.robustness.DISTURBANCES``."""
