"""Measure which frame of the face serves a classifier: ``python -m benchmarks.frames ADAPTER ROOT OUT``.

The pictures of a data set are used twice: as they are, and cut tight around the face, as some released sets are (RAF-DB
among them). Of both, crops are cut in several frames, which differ in one thing at a time: how the face is brought to
its place (alignment), how much of the picture is seen (scale), what stands where the picture ends (border), and the
crop's side in pixels (size). The same small network learns from scratch on each, with the same number of steps, and is
scored on the test part; nothing is selected. Points are found in the original pictures by dlib, so that all frames have
the same, good ones; pictures without a found face are left out.

Results are lines of OUT/frames.jsonl; what stands there is not computed again, so a stopped run goes on. Accuracies
are those of a small network and a short training: they rank frames, and say nothing about a set's best result.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fer_au.classification import accuracy, balanced_accuracy, confusion_matrix
from fer_au.config.assignments import parse_settings
from fer_au.datasets import create_adapter, survey_dataset
from fer_au.datasets.inside import PictureFiles
from fer_au.decoding import decode_image
from fer_au.faces.alignment import Aligner
from fer_au.faces.geometry import Matrix, apply_matrix, fit_similarity, invert_matrix, matrix_scale
from fer_au.faces.keypoints import find_points
from fer_au.faces.outside import outside_shares
from fer_au.faces.templates import five_points, get_template, shrink_inside
from fer_au.faces.warp import to_opencv, warp_crop
from fer_au.machine import cpu_name, instruction_set

TIGHT = 0.67  # side of a tight picture, in sides of the crop of template loose: 55 % of such a crop lies outside of it
TIGHT_SIDE = 64  # pixels of a tight picture
BORDERS = {"replicate": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT_101, "grey": cv2.BORDER_CONSTANT}
BATCH = 64

Image = NDArray[np.uint8]
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """How a crop is cut of a picture.

    Attributes:
        align: ``no`` (the middle square of the picture), ``level`` (rotated upright, about the picture's middle),
            ``centred`` (rotated upright and centred by the five points).
        scale: Side of the crop, in sides of the crop of template loose; 0 for that of the picture.
        border: What stands outside the picture: one of ``BORDERS``, or ``never``, where the crop is shrunk and moved
            until none of it lies outside.
        size: Side of the crop in pixels.
    """

    align: str
    scale: float
    border: str
    size: int

    @property
    def name(self) -> str:
        """Name in the results."""
        return f"{self.align}/{self.scale or 'picture'}/{self.border}/{self.size}"

    def matrix(self, points: Points, side: int) -> Matrix:
        """Compute the matrix (2, 3) from a square picture of ``side`` pixels to the crop."""
        if self.align == "no":
            factor = self.size / side
            return np.array([[factor, 0, 0], [0, factor, 0]])
        loose = fit_similarity(five_points(points), get_template("loose").five(self.size))
        rotation = loose[:, :2] / matrix_scale(loose)
        wanted = self.scale / matrix_scale(loose) * self.size if self.scale else float(side)
        middle = np.full(2, side / 2)
        centre = apply_matrix(invert_matrix(loose), [self.size / 2] * 2) if self.align == "centred" else middle
        linear = rotation * (self.size / wanted)
        matrix = np.concatenate([linear, (self.size / 2 - linear @ centre)[:, None]], axis=1)
        return shrink_inside(matrix, self.size, side, side) if self.border == "never" else matrix

    def cut(self, image: Image, points: Points) -> Image:
        """Cut the crop of a square grey picture."""
        matrix = self.matrix(points, len(image))
        if self.border in ("replicate", "never"):
            return warp_crop(image, matrix, self.size)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        inverse = to_opencv(invert_matrix(matrix))
        cut = cv2.warpAffine(
            image, inverse, (self.size, self.size), flags=flags, borderMode=BORDERS[self.border], borderValue=(128,)
        )
        return np.asarray(cut, np.uint8)


FRAMES = (
    Frame("no", 0, "replicate", 64),
    Frame("centred", 1.0, "replicate", 64),
    Frame("centred", 0, "never", 64),
    Frame("centred", 0, "replicate", 64),
    Frame("level", 0, "replicate", 64),
    Frame("centred", 0.82, "replicate", 64),
    Frame("centred", 0.55, "replicate", 64),
    Frame("centred", 1.0, "reflect", 64),
    Frame("centred", 1.0, "grey", 64),
    Frame("no", 0, "replicate", 48),
    Frame("centred", 0, "never", 48),
    Frame("centred", 1.0, "replicate", 96),
)
"""Tight pictures: each differs from another in one thing."""

LOOSE_FRAMES = (FRAMES[0], FRAMES[1], FRAMES[2], FRAMES[11])
"""Pictures as they are."""


def network(classes: int) -> nn.Module:
    """Build a small network, 13 million multiplications for a grey picture of 64 x 64 pixels."""
    widths, layers = (16, 32, 64, 96), []
    before = 1
    for number, width in enumerate(widths):
        stride = 2 if number == 0 else 1
        layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(2)] if number else []
        before = width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(4 * before, classes)
    )


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each picture at random, and move the batch by at most 4 % of a side."""
    flip = torch.rand(len(images), generator=generator) < 0.5
    images = torch.where(flip[:, None, None, None], images.flip(3), images)
    reach = max(round(0.04 * images.shape[3]), 1)
    x, y = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
    padded = nn.functional.pad(images, (reach,) * 4, mode="replicate")
    side = images.shape[3]
    return padded[:, :, reach + y : reach + y + side, reach + x : reach + x + side]


def train_and_score(
    crops: NDArray[np.uint8],
    labels: NDArray[np.int64],
    train: NDArray[np.int64],
    test: NDArray[np.bool_],
    epochs: int,
    seed: int,
) -> dict[str, float]:
    """Train on some crops, and score the test part.

    Args:
        crops: Crops (N, S, S).
        labels: Classes (N,).
        train: Positions of the crops to learn from.
        test: Whether a crop is one of the test part, (N,).
        epochs: Number of epochs.
        seed: Seed of the weights, the order and the augmentation.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    classes = int(labels.max()) + 1
    pixels = (torch.from_numpy(crops).float().unsqueeze(1) - 128) / 64
    target = torch.from_numpy(labels)
    learn = torch.from_numpy(train)
    model = network(classes).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    steps = epochs * (len(learn) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=steps)
    for _ in range(epochs):
        order = learn[torch.randperm(len(learn), generator=generator)]
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            inputs = augmented(pixels[chosen], generator).contiguous(memory_format=torch.channels_last)
            loss = nn.functional.cross_entropy(model(inputs), target[chosen], label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    model.eval()
    asked = torch.from_numpy(np.flatnonzero(test))
    with torch.inference_mode():
        scores = torch.cat([_both_ways(model, pixels[part]) for part in torch.split(asked, 256)])
    confusion = confusion_matrix(labels[test], scores.argmax(1).numpy(), classes)
    return {
        "accuracy": accuracy(confusion),
        "balanced": balanced_accuracy(confusion),
        "n": int(test.sum()),
        "trained_on": len(train),
    }


def _both_ways(model: nn.Module, images: Tensor) -> Tensor:
    return torch.as_tensor(model(images).softmax(1) + model(images.flip(3)).softmax(1))


@dataclass(frozen=True)
class Pictures:
    """Square grey pictures with the points of their faces.

    Attributes:
        images: Pictures.
        points: Points (68, 2) of each.
        labels: Classes (N,).
        test: Whether a picture is one of the test part, (N,).
    """

    images: list[Image]
    points: list[Points]
    labels: NDArray[np.int64]
    test: NDArray[np.bool_]

    def tight(self) -> Pictures:
        """Cut every picture tight around its face, as a box does: the face keeps its roll."""
        images, points = [], []
        for image, face in zip(self.images, self.points, strict=True):
            loose = fit_similarity(five_points(face), get_template("loose").five(TIGHT_SIDE))
            centre = apply_matrix(invert_matrix(loose), [TIGHT_SIDE / 2] * 2)
            factor = matrix_scale(loose) / TIGHT
            matrix = np.array([[factor, 0, 0], [0, factor, 0.0]])
            matrix[:, 2] = TIGHT_SIDE / 2 - factor * centre
            images.append(warp_crop(image, matrix, TIGHT_SIDE))
            points.append(apply_matrix(matrix, face))
        return Pictures(images, points, self.labels, self.test)


def read_pictures(adapter: str, root: str, settings: Sequence[str], out: Path, limit: int) -> Pictures:
    """Read a data set, find the points of its faces, and keep those in OUT/points.npz."""
    entry = {"adapter": adapter, "root": root, "valid_fraction": 0.0, **parse_settings("--set", list(settings))}
    survey = survey_dataset(root, create_adapter(adapter).Config.model_validate(entry))
    rows = survey.rows[:: max(len(survey.rows) // limit, 1)] if limit else survey.rows
    path = out / "points.npz"
    known = dict(np.load(path)) if path.is_file() else {}
    aligner = Aligner()
    images, points, labels, test = [], [], [], []
    names = sorted({row.label for row in rows})
    files = PictureFiles(Path(root).resolve())
    for row in rows:
        image = decode_image(files.path(row.path, row.sha256))
        if row.id not in known:
            face = aligner.find(image)
            known[row.id] = np.zeros((0, 2)) if face is None else find_points(image, face, "dlib68")
        if len(known[row.id]):
            side = min(image.shape[:2])
            x, y = (image.shape[1] - side) // 2, (image.shape[0] - side) // 2
            square = np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[y : y + side, x : x + side])
            images.append(np.asarray(square, np.uint8))
            points.append(known[row.id] - (x, y))
            labels.append(names.index(row.label))
            test.append(row.split == "test")
    np.savez(path, **known)
    print(f"{root}: {len(images)} of {len(rows)} pictures with a found face, {sum(test)} of them to test on")
    return Pictures(images, points, np.array(labels), np.array(test))


def outside_share(frame: Frame, pictures: Pictures) -> float:
    """Measure the median share of a crop that lies outside its picture."""
    pairs = zip(pictures.images, pictures.points, strict=True)
    matrices = np.stack([frame.matrix(points, len(image)) for image, points in pairs])
    sizes = np.array([image.shape[::-1] for image in pictures.images], np.float64)
    return float(np.median(outside_shares(matrices, sizes, frame.size)))


def wanted(seeds: int) -> Iterator[tuple[str, Frame, int]]:
    """List what is measured: the kind of pictures, the frame, the seed; the first seed of all comes first."""
    for seed in range(seeds):
        yield from (("tight", frame, seed) for frame in FRAMES)
        yield from (("given", frame, seed) for frame in LOOSE_FRAMES)


def print_results(lines: Sequence[dict[str, object]]) -> None:
    """Print mean and number of seeds of every frame."""
    print(
        f"\n{'pictures':<10}{'align/scale/border/size':<36}{'outside':>8}{'seeds':>6}{'accuracy':>10}{'balanced':>10}"
    )
    keys = dict.fromkeys((str(line["pictures"]), str(line["frame"])) for line in lines)
    for kind, frame in keys:
        found = [line for line in lines if (line["pictures"], line["frame"]) == (kind, frame)]
        means = [float(np.mean([float(str(line[key])) for line in found])) for key in ("accuracy", "balanced")]
        outside = float(str(found[0]["outside"]))
        print(f"{kind:<10}{frame:<36}{outside:>8.3f}{len(found):>6}{means[0]:>10.3f}{means[1]:>10.3f}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what OUT lacks, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("adapter")
    parser.add_argument("root")
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="keys of the adapter")
    parser.add_argument("--limit", type=int, default=0, help="pictures to take, evenly spread; default all")
    parser.add_argument("--train", type=int, default=0, help="pictures of those to learn from; default all")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "opencv-python", "fer-au"))
    print(f"host: {cpu_name()}, {instruction_set()}, load {os.getloadavg()[0]:.1f}; {platform.system()}")
    print(f"versions: Python {platform.python_version()}, {packages}; one thread, {options.epochs} epochs")
    results = options.out / "frames.jsonl"
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.is_file() else []
    done = {(line["pictures"], line["frame"], line["seed"]) for line in lines}
    given = read_pictures(options.adapter, options.root, options.set, options.out, options.limit)
    kinds = {"given": given, "tight": given.tight()}
    for kind, frame, seed in wanted(options.seeds):
        if (kind, frame.name, seed) in done:
            continue
        start, pictures = time.process_time(), kinds[kind]
        crops = np.stack([frame.cut(*pair) for pair in zip(pictures.images, pictures.points, strict=True)])
        learn = np.flatnonzero(~pictures.test)
        learn = learn[:: max(len(learn) // options.train, 1)] if options.train else learn
        scores = train_and_score(crops, pictures.labels, learn, pictures.test, options.epochs, seed)
        line = {
            "pictures": kind,
            "frame": frame.name,
            "seed": seed,
            "outside": outside_share(frame, pictures),
            **scores,
        }
        lines.append({**line, "cpu_seconds": round(time.process_time() - start, 1)})
        with results.open("a") as file:
            file.write(json.dumps(lines[-1]) + "\n")
        print(lines[-1], flush=True)
    print_results(lines)


if __name__ == "__main__":
    main()
