"""CK+: frames of sequences, and a file with a code beside some of them."""

from __future__ import annotations

from pathlib import Path

from tests.datasets.miniatures.noise import write_noise

IMAGES, LABELS = "cohn-kanade-images", "Emotion"


def write_sequence(root: Path, person: str, number: str, frames: int, code: str | None) -> None:
    """Write a sequence; the folder of its label is there also where it has none."""
    for frame in range(1, frames + 1):
        write_noise(root / IMAGES / person / number / f"{person}_{number}_{frame:08d}.png", size=(32, 24))
    folder = root / LABELS / person / number
    folder.mkdir(parents=True)
    if code is not None:
        (folder / f"{person}_{number}_{frames:08d}_emotion.txt").write_text(f"   {float(code):.7e}\n")


def write(root: Path, persons: int = 10) -> None:
    """Write for each person a sequence of each of three expressions, one of them contempt, and one without a label."""
    for one in range(persons):
        person = f"S{10 + one:03d}"
        for number, code in enumerate(("2", str(3 + one % 5), "1", None), 1):
            write_sequence(root, person, f"{number:03d}", 5 + number, code)
    (root / IMAGES / ".DS_Store").write_bytes(b"")
