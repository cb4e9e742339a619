"""RAF-DB's basic set: the owners' folder, and Kaggle's."""

from __future__ import annotations

from pathlib import Path

from tests.datasets.miniatures.noise import write_noise

LIST = "EmoLabel/list_patition_label.txt"
COUNTS = {"train": 14, "test": 7}


def names() -> list[tuple[str, int]]:
    """Give name and code of each picture; numbers of the test part have a digit less."""
    found = [(f"train_{number:05d}.jpg", (number - 1) % 7 + 1) for number in range(1, COUNTS["train"] + 1)]
    return found + [(f"test_{number:04d}.jpg", (number - 1) % 7 + 1) for number in range(1, COUNTS["test"] + 1)]


def write(root: Path) -> None:
    """Write ``basic/`` with its list, crops, photographs and boxes."""
    basic = root / "basic"
    (basic / "EmoLabel").mkdir(parents=True)
    (basic / LIST).write_text("".join(f"{name} {code}\n" for name, code in names()))
    (basic / "Annotation/boundingbox").mkdir(parents=True)
    for name, _ in names():
        stem = name.removesuffix(".jpg")
        write_noise(basic / "Image/aligned" / f"{stem}_aligned.jpg", size=(100, 100))
        write_noise(basic / "Image/original" / name, size=(60, 50))
        (basic / f"Annotation/boundingbox/{stem}_boundingbox.txt").write_text(
            "5.500000 6.000000 45.250000 48.000000 \n"
        )


def write_kaggle(root: Path) -> None:
    """Write ``DATASET/train/1 ... 7`` and the tables of both splits."""
    for split in COUNTS:
        lines = ["image,label"]
        for name, code in names():
            if name.startswith(split):
                aligned = name.replace(".jpg", "_aligned.jpg")
                write_noise(root / "DATASET" / split / str(code) / aligned, size=(100, 100))
                lines.append(f"{aligned},{code}")
        (root / f"{split}_labels.csv").write_text("\n".join(lines) + "\n")
