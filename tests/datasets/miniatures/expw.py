"""ExpW: one label file, and pictures of one face or several."""

from __future__ import annotations

from pathlib import Path

from tests.datasets.miniatures.noise import write_noise


def write(root: Path, pictures: int = 21) -> None:
    """Write pictures; every third one has two faces. Boxes are as in the file: top, left, right, bottom."""
    lines = []
    for number in range(pictures):
        name = f"happy_man_{number}.jpg"
        write_noise(root / "image/origin" / name, size=(60, 40))
        lines.append(f"{name} 0 5 10 30 25 {60 + number % 40}.5 {number % 7}")
        if number % 3 == 0:
            lines.append(f"{name} 1 6 35 55 26 80.25 {(number + 1) % 7}")
    (root / "label").mkdir()
    (root / "label/label.lst").write_text("\n".join(lines) + "\n")
