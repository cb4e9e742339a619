"""Videos of any kind, broken ones, pipes and cameras: each works, is kept as far as it goes, or is one line."""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import PIL.Image
import pytest

from fer_au.video import run
from fer_au.video.footage import Frame
from fer_au.video.source import open_source
from tests.datasets.miniatures.video import turn
from tests.video.clips import SIZE, draw, read_clip, write_clip
from tests.video.conftest import Call
from tests.video.test_video import read_rows

FRAMES = [((20 + 2 * number, 30),) for number in range(8)]


def frames_of(path: Path | str) -> list[Frame]:
    with open_source(str(path)) as footage:
        return list(footage.frames())


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("grey.mkv", "ffv1", "gray"),
        ("ten.mkv", "libx264", "yuv420p10le"),
        ("deep.mkv", "ffv1", "gray16le"),
        ("alpha.mov", "qtrle", "argb"),
        ("full.avi", "mjpeg", "yuvj420p"),
        ("old.avi", "mpeg4", "yuv420p"),
        ("web.webm", "libvpx", "yuv420p"),
        ("wide.mkv", "libx264", "yuv444p"),
    ],
)
def test_pixels_of_any_kind_are_read(name: str, codec: str, pix_fmt: str, model: Path, call: Call) -> None:
    write_clip(Path(name), FRAMES[:3], codec=codec, pix_fmt=pix_fmt)
    code, out, err = call(model, name, "-o", "b.mp4")
    assert (code, out.split(";")[0]) == (0, "b.mp4: 3 frames, 1 face"), err
    assert [image.shape for _, image in read_clip(Path("b.mp4"))] == [(SIZE[1], SIZE[0], 3)] * 3
    assert [float(row["x0"]) for row in read_rows("b.faces.csv")] == pytest.approx([20, 22, 24], abs=2)


@pytest.mark.parametrize("size", [(161, 97), (161, 96), (16, 17)])
def test_odd_sides_are_padded_and_told(size: tuple[int, int], model: Path, call: Call) -> None:
    write_clip(Path("a.mkv"), [()], size=size, codec="ffv1", pix_fmt="bgr0")
    code, _, err = call(model, "a.mkv", "-o", "b.mp4")
    even = tuple(side + side % 2 for side in size)
    assert (code, f"frames of {size[0]}x{size[1]} are padded to {even[0]}x{even[1]}" in err) == (0, True)
    ((_, image),) = read_clip(Path("b.mp4"))
    assert image.shape[1::-1] == even


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (2, 2)])
def test_frames_that_are_too_small_are_one_line(size: tuple[int, int], model: Path, call: Call) -> None:
    write_clip(Path("a.mkv"), [()], size=size, codec="ffv1", pix_fmt="bgr0")
    code, out, err = call(model, "a.mkv", "-o", "b.mp4")
    assert (code, out, err) == (2, "", f"error: a.mkv: {size[0]}x{size[1]}: a side below 16 pixels\n")
    assert not Path("b.mp4").exists()


def test_a_turned_camera_gives_an_upright_copy(model: Path, call: Call) -> None:
    write_clip(Path("a.mp4"), [((10, 4),)] * 2)
    turn(Path("a.mp4"), (0, 1, -1, 0))  # a quarter of a turn clockwise
    assert call(model, "a.mp4", "-o", "b.mp4")[0] == 0
    assert read_clip(Path("b.mp4"))[0][1].shape == (SIZE[0], SIZE[1], 3)
    row = read_rows("b.faces.csv")[0]
    assert float(row["x0"]) == pytest.approx(SIZE[1] - 4 - 32, abs=2)
    assert float(row["y0"]) == pytest.approx(10, abs=2)


def test_pixels_that_are_not_square_stay_so(model: Path, call: Call) -> None:
    write_clip(Path("a.mp4"), [()])
    for turned, aspect in ((False, Fraction(4, 3)), (True, Fraction(3, 4))):
        with open_source("a.mp4") as footage:
            stream: Any = footage
            stream._stream = SimpleNamespace(sample_aspect_ratio=Fraction(4, 3))
            size = (SIZE[1], SIZE[0]) if turned else SIZE
            decoded: Any = SimpleNamespace(width=size[0], height=size[1])
            stream._look(decoded, Frame(0, 0, 0.0, draw(())))
            assert footage.aspect == aspect


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: round(share * len(data))])


@pytest.mark.parametrize("sound", [None, "aac"])
def test_a_video_that_was_cut_short_is_kept_up_to_there(sound: str | None, model: Path, call: Call) -> None:
    step, frames = 100, FRAMES * 4
    write_clip(Path("a.mkv"), frames, [number * step for number in range(len(frames))], codec="mpeg4", sound=sound)
    cut(Path("a.mkv"), 0.7)
    code, out, err = call(model, "a.mkv", "-o", "b.mp4")
    assert code == 3
    count = len(read_clip(Path("b.mp4")))
    assert 0 < count < len(frames)
    assert out.startswith(f"b.mp4: {count} frames, 1 face")
    *rows, last = read_rows("b.faces.csv")
    assert [int(row["frame"]) for row in rows] == list(range(count))
    assert (last["frame"], last["predicted"]) == (str(count), "")
    assert last["reason"] in ("truncated", "unreadable")
    assert f"after frame {count - 1} ({(count - 1) * step / 1000:.2f} s)" in last["detail"]
    assert f"a.mkv: {last['detail']}; what was read before is kept" in err


def test_a_damaged_video_is_kept_up_to_there(model: Path, call: Call) -> None:
    write_clip(Path("a.mp4"), FRAMES * 4, g="4")
    data = bytearray(Path("a.mp4").read_bytes())
    middle = data.index(b"mdat") + (data.index(b"moov") - data.index(b"mdat")) // 2
    data[middle : middle + 200] = bytes(range(56, 256))
    Path("a.mp4").write_bytes(data)
    code, _, err = call(model, "a.mp4", "-o", "b.mp4")
    assert (code, "a.mp4: damaged after frame " in err) == (3, True)
    assert read_rows("b.faces.csv")[-1]["reason"] == "unreadable"
    assert 0 < len(read_clip(Path("b.mp4"))) < 4 * len(FRAMES)


def sound_alone(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=48_000)
        stream.layout = "mono"
        piece = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        piece.sample_rate = 48_000
        container.mux(stream.encode(piece))
        container.mux(stream.encode())


def no_frames(path: Path) -> None:
    with av.open(str(path), "w", format="avi") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        container.start_encoding()


def picture(path: Path) -> None:
    PIL.Image.new("RGB", (32, 32)).save(path, "JPEG")


def playlist(path: Path) -> None:
    path.write_text("ffconcat version 1.0\nfile /etc/passwd\n")


def beheaded(path: Path) -> None:
    write_clip(path, FRAMES, form="mp4")
    cut(path, 0.5)  # without its index, which comes last


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (sound_alone, "it has no video stream"),
        (no_frames, ""),
        (picture, "no clip that FFmpeg reads"),
        (playlist, "no clip that FFmpeg reads"),
        (beheaded, "no clip that FFmpeg reads"),
        (Path.touch, "the file is empty"),
        (lambda path: path.write_bytes(np.random.default_rng(0).bytes(4000)), "no clip that FFmpeg reads"),
    ],
)
def test_what_has_no_frame_is_one_line_and_no_file(write: Any, line: str, model: Path, call: Call) -> None:
    write(Path("a.mp4"))
    code, out, err = call(model, "a.mp4", "-o", "b.mp4")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: a.mp4: {line}")
    assert err.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == ["a.mp4", "locks"]


def test_frames_of_another_size_end_the_video(model: Path, call: Call) -> None:
    for name, size in (("a", SIZE), ("b", (80, 48))):
        write_clip(Path(f"{name}.ts"), [()] * 3, size=size, codec="mpeg4", form="mpegts")
    Path("c.ts").write_bytes(Path("a.ts").read_bytes() + Path("b.ts").read_bytes())
    code, _, err = call(model, "c.ts", "-o", "d.mp4")
    assert (code, "frames of 80x48 follow those of 160x96 after frame 2" in err) == (3, True), err
    assert len(read_clip(Path("d.mp4"))) == 3


def test_a_clock_that_is_set_back_goes_on() -> None:
    def decoded(*times: int | None) -> Iterator[Any]:
        for pts in times:
            frame = av.VideoFrame.from_ndarray(draw(()), "rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 100)
            yield frame

    footage: Any = SimpleNamespace(unit=Fraction(1, 100), _step=4, _shift=0)
    from fer_au.video.clip import ClipFootage

    last, found = None, []
    for number, frame in enumerate(decoded(None, 4, None, 2, 6, 6, 10)):
        last = ClipFootage._read(footage, number, frame, last)
        found.append(last.pts)
    assert found == [0, 4, 8, 12, 16, 20, 24]


@pytest.mark.parametrize("form", ["matroska", "mpegts"])
def test_a_pipe_is_read_to_its_end(form: str, model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(Path("a.x"), FRAMES * 3, codec="mpeg4", form=form)  # MPEG-TS isn't known by fewer bytes
    os.mkfifo("pipe")
    data = Path("a.x").read_bytes()
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(data))
    writer.start()
    code, out, err = call(model, "pipe", "-o", "b.mp4")
    writer.join()
    assert (code, out.split(";")[0]) == (0, "b.mp4: 24 frames, 1 face"), err


def test_standard_input_is_read(model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(Path("a.mkv"), FRAMES[:3], codec="mpeg4")
    with Path("a.mkv").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=file))
        assert call(model, "-", "-o", "b.mp4")[0] == 0
    reading, writing = os.pipe()
    os.write(writing, b"no video at all")
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=file))
        code, _, err = call(model, "-", "-o", "b.mp4")
    assert (code, "standard input: no clip that FFmpeg reads; as a stream, FFmpeg reads Matroska, " in err) == (2, True)


class FakeCamera:
    """A camera that gives some pictures, and then none."""

    def __init__(self, count: int) -> None:
        self.left, self.released = count, False

    def isOpened(self) -> bool:  # noqa: N802
        return self.left >= 0

    def read(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(0.01)
        self.left -= 1
        return (True, draw(((20, 30),))[..., ::-1]) if self.left >= 0 else (False, None)

    def get(self, key: int) -> float:
        return 0.0

    def release(self) -> None:
        self.released = True


def test_a_camera_is_recorded(model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeCamera(400)
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: device)
    code, out, err = call(model, "0", "-o", "b.mp4", "--seconds", 0.1)
    assert (code, out.split(",")[1]) == (0, " 1 face; b.faces.csv"), err
    times = [float(row["time"]) for row in read_rows("b.faces.csv")]
    assert times[0] == 0
    assert times == sorted(times)
    assert times[-1] < 0.1
    assert device.released
    np.testing.assert_allclose(np.median(read_clip(Path("b.mp4"))[0][1][-8:, -8:], axis=(0, 1)), (20, 30, 40), atol=4)


def test_a_camera_that_stops_is_kept_and_one_without_a_picture_is_one_line(
    model: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: FakeCamera(2))
    code, _, err = call(model, "0", "-o", "b.mp4")
    assert (code, "0: the camera stopped after frame " in err) == (3, True)
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: FakeCamera(0))
    assert call(model, "0", "-o", "c.mp4") == (2, "", "error: camera 0: it gives no picture\n")
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: FakeCamera(-1))
    assert call(model, "0", "-o", "c.mp4")[0] == 2
    assert not Path("c.mp4").exists()


def interrupt_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let Ctrl-C come when some frames were written."""
    moments = run._moments

    def interrupted(*arguments: Any) -> Iterator[Any]:
        for number, moment in enumerate(moments(*arguments)):
            if number == count:
                raise KeyboardInterrupt
            yield moment

    monkeypatch.setattr(run, "_moments", interrupted)


def test_ctrl_c_leaves_nothing_of_a_file(model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(Path("a.mp4"))
    Path("b.mp4").write_bytes(b"before")
    interrupt_after(monkeypatch, 2)
    code, out, err = call(model, "a.mp4", "-o", "b.mp4")
    assert (code, out, err) == (130, "", "interrupted: no file is left half written\n")
    assert Path("b.mp4").read_bytes() == b"before"
    assert sorted(path.name for path in Path().iterdir()) == ["a.mp4", "b.mp4", "locks"]


def test_ctrl_c_ends_a_recording_which_is_kept(model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: FakeCamera(400))
    interrupt_after(monkeypatch, 2)
    code, out, _ = call(model, "0", "-o", "b.mp4")
    assert (code, out) == (130, "b.mp4: 2 frames, 1 face; b.faces.csv, b.timeline.png\n")
    assert len(read_clip(Path("b.mp4"))) == 2
    interrupt_after(monkeypatch, 0)
    assert call(model, "0", "-o", "c.mp4")[0] == 130
    assert not list(Path().glob("c.*"))


def test_a_disk_that_refuses_is_one_line_and_no_file(model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_au.atomic import AtomicFile
    from fer_au.errors import StoreError

    write, written = AtomicFile.write, io.BytesIO()

    def full(self: AtomicFile, position: int, data: Any) -> None:
        if self.path.suffix == ".mp4" and written.write(data) and written.tell() > 1000:
            raise StoreError(f"{self.path}: cannot write: No space left on device")
        write(self, position, data)

    monkeypatch.setattr(AtomicFile, "write", full)
    write_clip(Path("a.mkv"), FRAMES * 2, codec="mpeg4")
    code, out, err = call(model, "a.mkv", "-o", "b.mp4")
    assert (code, out, err) == (2, "", "error: b.mp4: cannot write: No space left on device\n")
    assert sorted(path.name for path in Path().iterdir()) == ["a.mkv", "locks"]
