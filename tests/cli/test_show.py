from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from tests.cli.conftest import Call
from tests.report.project import DEFAULT, HOSTILE, Writer


@pytest.fixture
def project(call: Call) -> Writer:
    """A finished project in the current folder."""
    writer = Writer(Path())
    writer.dataset("faces")
    writer.experiment("vanilla", good=False)
    writer.experiment("au", good=True)
    writer.params(DEFAULT)
    return writer


def test_a_face_is_printed_and_drawn(call: Call, project: Writer) -> None:
    before = {path for path in Path().rglob("*") if path.is_file()}
    code, out, err = call("show", "faces", "test/surprise_1.png")
    assert (code, err) == (0, "")
    assert out.startswith("test/surprise_1.png of data set faces\n")
    assert max(map(len, out.splitlines())) <= 80
    assert {path for path in Path().rglob("*") if path.is_file()} == before
    code, again, err = call("show", "faces", "test/surprise_1.png", "-o", "drawn/face.png")
    assert (code, again, err) == (0, out, "drawn/face.png: drawn\n")
    assert cv2.imread("drawn/face.png") is not None


def test_errors_are_one_line_and_write_nothing(call: Call, project: Writer) -> None:
    assert call("show", "face", "x")[::2] == (2, "error: params.yaml: datasets has no 'face'; did you mean faces?\n")
    code, out, err = call("show", "faces", "test/surprise_9.png", "-o", "face.png")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "did you mean test/surprise_" in err
    assert not Path("face.png").exists()
    assert call("show", "faces", "test/surprise_1.png", "-o", "face.jpg")[::2] == (
        2,
        "error: face.jpg: unknown format '.jpg'; name it .png\n",
    )


def test_an_escape_in_an_id_does_not_command_the_terminal(call: Call, project: Writer) -> None:
    code, out, _ = call("show", "faces", HOSTILE)
    assert code == 0
    assert "\x1b" not in out
    assert "\x1b" not in call("show", "faces", "a\x1b[2Jb")[2]


def test_it_is_run_in_the_project(call: Call, tmp_path: Path) -> None:
    assert call("show", "faces", "x")[::2] == (2, "error: params.yaml: no such file; run it in a project's folder\n")
