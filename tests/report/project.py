"""A small finished project on disk: cartoon faces, experiments with known results."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from fer_au.cues import create_codebook
from fer_au.datasets import ManifestRow, write_manifest
from fer_au.datasets.leaks import LEAKS, Group, Leaks, write_leaks
from fer_au.evaluation import centered_cosine, cosine_alignment, write_metrics
from fer_au.evaluation.comparison import comparison_maps
from fer_au.evaluation.robustness_metrics import Answers
from fer_au.evaluation.robustness_store import answer_columns
from fer_au.evaluation.slices import SplitAnswers, cut_slices, slice_metrics
from fer_au.evaluation.traits import Traits, trait_columns
from fer_au.ibug68 import MEAN_FACE
from fer_au.models.config_file import write_config
from fer_au.rejects import Reason, Reject, write_rejects
from fer_au.report import write_report
from fer_au.stores import write_store
from fer_au.stores.columns import encode_ids, pack_ragged

CLASSES = ("neutral", "happiness", "surprise", "anger")
CENTRES = {"happiness": [(-0.31, 0.79), (0.31, 0.79)], "surprise": [(0, -0.3), (0, 0.9)], "anger": [(0, -0.2)]}
CROP, GRID, PRINT = 96, 28, "0" * 64
HOSTILE = "test/<script>alert(1)</script> \"quoted\" 'single'.png"


def experiment(**changes: Any) -> dict[str, Any]:
    entry = {"dataset": "faces", "seed": 0, "model": {"backbone": "resnet10t"}, "guidance": []}
    return entry | changes


GUIDED = [{"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 4.0}]
DEFAULT = {"vanilla": experiment(), "au": experiment(guidance=GUIDED)}


def draw_face(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A cartoon crop and its 68 points, in crop pixels."""
    points = MEAN_FACE * CROP * 0.42 + [CROP / 2, CROP * 0.38] + rng.normal(0, 0.6, (68, 2))
    image = np.full((CROP, CROP, 3), rng.integers(40, 200, 3), np.uint8)
    skin = np.array([224, 172, 105]) * rng.uniform(0.5, 1.1)
    cv2.fillPoly(image, [np.vstack([points[:17], points[26:16:-1]]).astype(np.int32)], skin.clip(0, 255).tolist())
    for part, colour in (
        (slice(36, 42), (250, 250, 250)),
        (slice(42, 48), (250, 250, 250)),
        (slice(48, 60), (150, 50, 60)),
    ):
        cv2.fillPoly(image, [points[part].astype(np.int32)], colour)
    for part in (slice(17, 22), slice(22, 27), slice(27, 31)):
        cv2.polylines(image, [points[part].astype(np.int32)], False, (60, 40, 30), 2, cv2.LINE_AA)
    return image, points


def target(label: str) -> np.ndarray:
    """(28, 28) uint8 map of the label's places; zero for neutral."""
    y, x = np.mgrid[:GRID, :GRID] + 0.5
    heat = np.zeros((GRID, GRID))
    for cx, cy in CENTRES.get(label, []):
        px, py = cx * GRID * 0.42 + GRID / 2, cy * GRID * 0.42 + GRID * 0.38
        heat = np.maximum(heat, np.exp(-((x - px) ** 2 + (y - py) ** 2) / 18))
    return np.rint(heat * 255).astype(np.uint8)


def _metric(column: str) -> str:
    """Template of the metrics about a column of maps."""
    kind, _, name = column.partition("/")
    return {"attention": f"layer.{name}.att_{{}}", "cam": f"cam_{{}}.{name}", "module": "module.att_{}"}[kind]


class Writer:
    """Writes the artefacts of a project below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.codebook = "paper"
        self.rng = np.random.default_rng(0)

    def dataset(self, name: str, per_class: int = 4, prefix: str = "", test_labels: tuple[str, ...] = CLASSES) -> None:
        folder = self.root / "data" / name
        rows, images, points, maps = [], [], [], []
        ids = [
            (f"{split}/{label}_{k}.png", split, label)
            for split in ("train", "test")
            for label in (test_labels if split == "test" else CLASSES)
            for k in range(per_class)
        ]
        if "happiness" in test_labels:
            ids.append((HOSTILE, "test", "happiness"))
        for id_, split, label in sorted((prefix + id_, split, label) for id_, split, label in ids):
            rows.append(ManifestRow(id_, id_, PRINT, split, None, label, "p<1>", CROP, CROP, None))
            image, landmarks = draw_face(self.rng)
            images.append(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
            points.append(landmarks)
            maps.append(target(label))
        n = len(rows)
        lost = np.array([row.id == f"{prefix}test/anger_0.png" for row in rows])
        points = np.where(lost[:, None, None], np.nan, np.array(points)).astype(np.float32)
        valid = np.array([row.label != "neutral" for row in rows]) & ~lost
        id_column = encode_ids([row.id for row in rows])
        write_manifest(folder / "manifest.csv", rows)
        face_columns = {
            "id": id_column,
            **pack_ragged(images),
            "matrix": np.tile(np.eye(2, 3), (n, 1, 1)),
            "box": np.zeros((n, 4), np.float32),
            "score": np.ones(n, np.float32),
            "detector": np.full(n, b"test"),
            "status": lost.astype(np.uint8),
            "outside": np.full(n, 0.25, np.float32),
        }
        write_store(folder / "faces.h5", "faces", face_columns, fingerprint=PRINT)
        landmark_columns = {
            "id": id_column,
            "points": points,
            "score": np.ones(n, np.float32),
            "status": lost.astype(np.uint8) * 2,
        }
        write_store(folder / "landmarks.h5", "landmarks", landmark_columns, fingerprint=PRINT)
        map_columns = {"id": id_column, "map": np.array(maps) * valid[:, None, None].astype(np.uint8), "valid": valid}
        drawn = {"codebook": self.codebook, "codebook_sha256": create_codebook("paper").sha256}
        write_store(folder / "heatmaps.h5", "heatmaps", map_columns, fingerprint=PRINT, attributes=drawn)
        write_rejects(
            folder / "rejects" / "ingest.csv",
            [Reject(f"bad<{k}>.jpg", Reason.TRUNCATED, "<b>cut</b>") for k in range(11)],
        )
        write_leaks(folder / "rejects" / LEAKS, Leaks((Group("same-bytes", (rows[0], rows[-1])),)))
        write_rejects(folder / "rejects" / "align.csv", [])
        write_rejects(folder / "rejects" / "landmarks.csv", [Reject(f"{prefix}test/anger_0.png", Reason.NO_LANDMARKS)])
        self.rows = [row for row in rows if row.split == "test"]
        self.lost = f"{prefix}test/anger_0.png"

    def experiment(
        self,
        name: str,
        *,
        good: bool,
        cams: tuple[str, ...] = ("native",),
        module: bool = False,
        answers: Mapping[str, Answers] | None = None,
        seed: int = 0,
        wrong_every: int = 0,
        traits: Traits | None = None,
        **metrics: Any,
    ) -> None:
        rng = np.random.default_rng(seed)
        labels = [row.label for row in self.rows]
        n = len(labels)
        targets = np.array([target(label) for label in labels])
        valid = np.array([row.label != "neutral" and row.id != self.lost for row in self.rows])
        small = np.array([cv2.resize(one / 255.0, (14, 14), interpolation=cv2.INTER_AREA) for one in targets])
        blob = cv2.GaussianBlur(np.pad(np.ones((1, 1)), ((4, 9), (9, 4))), (0, 0), 3) * 20
        answered = np.array([CLASSES.index(label) for label in labels])
        if wrong_every:
            answered[::wrong_every] = (answered[::wrong_every] + 1) % len(CLASSES)
        probabilities = rng.dirichlet(np.ones(len(CLASSES)), n) + np.eye(len(CLASSES))[answered]
        probabilities /= probabilities.sum(1, keepdims=True)
        columns: dict[str, Any] = {
            "id": encode_ids([row.id for row in self.rows]),
            "label": encode_ids(labels),
            "probabilities": probabilities.astype(np.float32),
            "target": targets * valid[:, None, None].astype(np.uint8),
            "target_valid": valid,
            "score/att_cos": np.where(valid, 0.9 if good else 0.5, np.nan) + rng.normal(0, 0.01, n),
            "score/att_ccos": np.where(valid, 0.8 if good else 0.2, np.nan) + rng.normal(0, 0.01, n),
        }
        for layer in range(1, 4):
            share = (layer / 3 if good else 0.15) * small + 0.1 * blob + rng.random((n, 14, 14)) * 0.1
            columns[f"attention/{layer}"] = share.astype(np.float16)
        for cam in cams:
            columns[f"cam/{cam}"] = (small * good + blob + rng.normal(0, 0.1, (n, 14, 14))).astype(np.float16)
        if module:
            columns["module"] = (small + 0.1 * blob).astype(np.float16)
        truth = np.where(valid[:, None, None], targets / 255, np.nan)
        for column, key in [(own, _metric(own)) for own in columns if own.startswith(("attention/", "cam/", "module"))]:
            for score, compute in {"cos": cosine_alignment, "ccos": centered_cosine}.items():
                found = compute(comparison_maps(columns[column], GRID), truth)
                columns |= {f"score/{key.format(score)}": found.astype(np.float32)}
        if traits is not None:
            order = {label: index for index, label in enumerate(CLASSES)}
            truth_of = np.array([order[label] for label in labels])
            split = SplitAnswers(truth_of, probabilities.argmax(axis=1), CLASSES, columns["score/att_ccos"])
            columns |= trait_columns(traits)
            metrics |= slice_metrics(cut_slices(traits), split)
        columns |= answer_columns(answers or {})
        path = self.root / "evaluation" / f"{name}.h5"
        write_store(path, "evaluation", columns, fingerprint=PRINT, attributes={"classes": ",".join(CLASSES)})
        scores = {"accuracy": 0.75, "att_cos": 0.9 if good else 0.5, "att_ccos": 0.8 if good else 0.2}
        for cam in cams:
            scores |= {f"cam_cos.{cam}": 0.7, f"cam_ccos.{cam}": 0.4}
        for prefix, value in (("baseline.blank", 0.47), ("baseline.class_mean", 0.85), ("ceiling", 0.98)):
            scores |= {
                f"{prefix}.{key}": value for key in list(scores) if key.split(".")[0] != "baseline" and "_" in key
            }
        extra = {"n": n, "n_cos": int(valid.sum()), "seed": seed, "selected_on": "valid", "environment.torch": "2.x"}
        write_metrics(self.root / "metrics" / f"{name}.json", scores | extra | metrics, model="0" * 64)
        self.model(name)

    def cross(self, name: str, experiment: str, **metrics: Any) -> None:
        """Write the results of an experiment's model on another data set: its answers are those at home."""
        path = self.root / "evaluation/cross" / f"{name}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.root / "evaluation" / f"{experiment}.h5", path)
        write_metrics(self.root / "metrics/cross" / f"{name}.json", metrics, model="0" * 64)

    def model(self, name: str) -> None:
        folder = self.root / "models" / name
        folder.mkdir(parents=True)
        record = {"model": {}, "classes": list(CLASSES), "weights_sha256": "0" * 64, "note": "</pre><script>x</script>"}
        write_config(folder / "config.json", record)
        with (folder / "history.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["epoch", "train_loss", "valid_accuracy"])
            table.writerows([[k, 1 / (k + 1), "" if k == 0 else 0.5 + 0.05 * k] for k in range(6)])

    def params(self, experiments: dict[str, Any]) -> Path:
        path = self.root / "params.yaml"
        datasets = {name: {"adapter": "folder", "root": "x"} for name in ("faces", "other", "demo")}
        path.write_text(yaml.safe_dump({"datasets": datasets, "experiments": experiments}, sort_keys=False))
        return path


def build(params: Path, name: str = "index.html") -> str:
    """Write the page of a project, and read it."""
    output = params.parent / "report" / name
    write_report(params, params.parent, output)
    return output.read_text(encoding="utf-8")
