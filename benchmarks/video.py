"""Time ``fer-au video`` on a made-up video of rendered faces, beside the bare way in the same process.

    python -m benchmarks.video --model models/recipe --seconds 10

Without a model, a fresh one of preset ``best-small`` is taken (timm's ``test_resnet``, 96 pixels, grey): it knows
nothing, and takes as long. The video has 640 x 480 pixels, 30 frames per second and sound; one rendered person, or more
(``--people``), who move and change expression. Bare: one thread decodes each frame, aligns all its faces, sends them
through the network and encodes the frame as it was: no tracking, no drawing, no table, and no second processor. The
command's start, which a run of one frame measures, is left out. Figures count where the load that is printed is that of
this program alone. ``ATEN_CPU_CAPABILITY=avx2`` measures what processors without AVX-512 would do.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from fer_au.batches.preprocess import Preprocessing
from fer_au.clip_decoding import decode, find_stream, open_clip, upright_pixels
from fer_au.compute import worker_count
from fer_au.demo.asset import load_asset
from fer_au.demo.camera import Pose
from fer_au.demo.expressions import RECIPES, Activation
from fer_au.demo.identity import sample_identities
from fer_au.demo.render import PersonModel, render
from fer_au.demo.scene import Scene, sample_scene
from fer_au.errors import DataError
from fer_au.expressions import EXPRESSIONS
from fer_au.machine import cpu_name, instruction_set
from fer_au.models import create_model, save_model
from fer_au.predictor import Predictor
from fer_au.video.run import Wanted, watch

LIMITS = {"none": 15.0, "layercam": 8.0}
"""Frames per second that are wanted of two cores with AVX2, without and with maps."""

WIDTH, HEIGHT, RATE = 640, 480, 30
SIDE = 260
"""Pixels of a rendered picture."""
STEPS = 12
"""Pictures of a person from no expression to a full one."""

Image = NDArray[np.uint8]
ALIGN = {"detector": "dlib-hog", "keypoints": "dlib68", "template": "loose", "choose": "largest", "image_size": 96}


def fresh_model(folder: Path) -> Path:
    """Write a model as preset ``best-small`` would train it, with weights that know nothing."""
    classes = [name for name in EXPRESSIONS if name != "contempt"]
    model = create_model({"backbone": "test_resnet", "output_stride": 8, "in_chans": 1}, classes, seed=0)
    preprocessing = Preprocessing(96, 1, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)).to_meta()
    save_model(folder, model, {"preprocessing": {**preprocessing, "align": ALIGN}})
    return folder


def render_people(people: int, seed: int = 3) -> list[list[list[Image]]]:
    """Render some people: for each, and each of three expressions, pictures from no expression to a full one."""
    found = []
    for number, identity in enumerate(sample_identities(load_asset(), people, seed)):
        model = PersonModel.build(identity)
        names = [name for name in RECIPES if name != "neutral"][number::2][:3]
        scene = sample_scene("neutral", np.random.default_rng([seed, number]))
        calm = replace(scene, degradation=replace(scene.degradation, blur=0.0, noise=1.0, grey=False))
        found.append([_rise(model, calm, name, number) for name in names])
    return found


def _rise(model: PersonModel, scene: Scene, expression: str, number: int) -> list[Image]:
    full = sample_scene(expression, np.random.default_rng([number, 7])).activation
    pictures = []
    for step in range(STEPS):
        share = step / (STEPS - 1)
        part = Activation(*({au: share * value for au, value in side.items()} for side in (full.left, full.right)))
        pose = Pose(scene.pose.yaw * 0.5 + 8 * share, scene.pose.pitch * 0.5, 4 * share)
        shown = replace(scene, activation=part, pose=pose)
        pictures.append(render(model, shown, SIDE, np.random.default_rng([number, 11])).picture)
    return pictures


def draw_frame(people: Sequence[Sequence[Sequence[Image]]], time: float) -> Image:
    """Put the people onto a frame, as they look at a time in seconds."""
    ramp = np.linspace(90, 150, HEIGHT, dtype=np.float32)[:, None, None]
    frame = np.broadcast_to(ramp * np.array([0.9, 1.0, 1.1], np.float32), (HEIGHT, WIDTH, 3)).astype(np.uint8)
    for number, rises in enumerate(people):
        phase = time * 0.5 + 0.4 * number
        rise = rises[int(phase) % len(rises)]
        wave = 0.5 - 0.5 * np.cos(2 * np.pi * (phase % 1))
        face = rise[round(wave * (STEPS - 1))]
        middle = WIDTH * (number + 0.5) / len(people)
        x = int(np.clip(middle - SIDE / 2 + 30 * np.sin(1.1 * time + number), 0, WIDTH - SIDE))
        y = int(np.clip(HEIGHT * 0.5 - SIDE / 2 + 40 * np.cos(0.7 * time + 2 * number), 0, HEIGHT - SIDE))
        frame[y : y + SIDE, x : x + SIDE] = face
    return frame


def write_clip(path: Path, people: int, seconds: float) -> int:
    """Write the made-up video, with a tone, and count its frames."""
    shown, count = render_people(people), round(seconds * RATE)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"crf": "20", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=48_000)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(draw_frame(shown, number / RATE), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(video.encode(frame))
        tone = (0.1 * np.sin(2 * np.pi * 440 * np.arange(round(48_000 * seconds)) / 48_000)).astype(np.float32)
        for start in range(0, len(tone), 1024):
            piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone[None, start : start + 1024]), "fltp", "mono")
            piece.pts, piece.sample_rate = start, 48_000
            container.mux(sound.encode(piece))
        container.mux(video.encode())
        container.mux(sound.encode())
    return count


def bare(predictor: Predictor, clip: Path, out: Path) -> float:
    """Measure the bare way, in seconds."""
    if predictor.aligner is None:
        raise DataError("the model doesn't record how its crops were made")
    begin = time.perf_counter()
    with clip.open("rb") as file, open_clip(file) as source, av.open(str(out), "w") as container:
        made = container.add_stream("libx264", rate=RATE, options={"crf": "20", "preset": "veryfast"})
        made.width, made.height, made.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in decode(source, find_stream(source)):
            image = upright_pixels(frame)
            predictor(image, faces="all")
            shown = av.VideoFrame.from_ndarray(image, "rgb24")
            shown.pts, shown.time_base = frame.pts, frame.time_base
            container.mux(made.encode(shown))
        container.mux(made.encode())
    return time.perf_counter() - begin


def watched(model: Path, clip: Path, out: Path, overlay: str, seconds: float | None = None) -> float:
    """Measure the command's own way, in seconds, the loading of the model and the start of workers included."""
    begin = time.perf_counter()
    watch(model, str(clip), Wanted(out, overlay=overlay, seconds=seconds), "cpu")
    return time.perf_counter() - begin


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all ways in turn, and print frames per second."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a model; default a fresh one of preset best-small")
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder for the videos; default none are kept")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "av", "opencv-python", "dlib-bin", "fer-au"))
    print(
        f"host: {platform.node()}, {cpu_name()}, {instruction_set()} (torch: {torch.backends.cpu.get_cpu_capability()})"
    )
    print(
        f"versions: Python {platform.python_version()}, {packages}; {worker_count()} workers, "
        f"{torch.get_num_threads()} threads of torch"
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        model = options.model or fresh_model(Path(scratch) / "model")
        clip = folder / "clip.mp4"
        count = write_clip(clip, options.people, options.seconds)
        predictor = Predictor.load(model, "cpu")
        print(f"{count} frames of {WIDTH}x{HEIGHT} pixels, faces: {options.people}")
        for number in range(options.rounds):
            used = time.process_time()
            plain = bare(predictor, clip, folder / "bare.mp4")
            used = 1000 * (time.process_time() - used) / count
            start = watched(model, clip, folder / "start.mp4", "none", 0.5 / RATE)
            print(
                f"round {number}: bare {count / plain:.1f} frames/s, {used:.0f} ms of a processor each; the command's "
                f"start takes {start:.1f} s; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
            for overlay, limit in LIMITS.items():
                spent = max(watched(model, clip, folder / f"seen-{overlay}.mp4", overlay) - start, 1e-9)
                print(
                    f"  overlay {overlay}: {count / spent:.1f} frames/s (wanted: {limit:g}), {spent / plain:.2f} times "
                    f"the bare way, load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
