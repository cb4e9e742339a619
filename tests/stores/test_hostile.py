"""Stores that were made to do harm, under a right seal: refused in one line, by a process that nothing can crash."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from fer_au.errors import StoreError
from fer_au.stores import parser
from fer_au.stores.reader import Store
from fer_au.stores.seal import USER_BLOCK, seal
from fer_au.stores.verify import verify_store
from fer_au.stores.writer import write_store

ROWS = 4


def fill(file: h5py.File) -> None:
    """A store of annotations that is right but for its checksums."""
    file.attrs.update({"schema": "fer_au.annotations/1", "fingerprint": "f", "content_sha256": "0", "rows": ROWS})
    file["id"] = np.array([f"{row}".encode() for row in range(ROWS)], "S3")
    file["_blocks"] = np.zeros((1, 32), np.uint8)


def deep(file: h5py.File) -> None:
    group = file
    for _ in range(3000):
        group = group.create_group("g")


def unwritten(file: h5py.File) -> None:
    create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    create.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    h5py.h5d.create(file.id, b"au", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((ROWS,)), create)


def vast(file: h5py.File) -> None:
    for name in ("id", "_blocks"):
        del file[name]
    file.attrs["rows"] = 10**11
    create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    h5py.h5d.create(file.id, b"id", h5py.h5t.py_create(np.dtype("S8")), h5py.h5s.create_simple((10**11,)), create)


def empty_rows(file: h5py.File) -> None:
    del file["_blocks"]
    file.create_dataset("au", (ROWS, 0), np.float32)


HARM: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "a group in itself": (lambda file: file.__setitem__("loop", file["/"]), "deep"),
    "groups without end": (deep, "deep"),
    "a named type": (lambda file: file.__setitem__("kind", np.dtype("f4")), "no column"),
    "rows as text": (lambda file: file.attrs.__setitem__("rows", "four"), "rows"),
    "rows below zero": (lambda file: file.attrs.__setitem__("rows", -4), "rows"),
    "a name that is no UTF-8": (lambda file: h5py.h5g.create(file.id, b"\xff\xfe"), "a name that no store has"),
    "a name that commands a terminal": (lambda file: file.create_group("\x1b[2J"), "a name that no store has"),
    "no checksums": (lambda file: file.__delitem__("_blocks"), "checksums"),
    "checksums of other rows": (
        lambda file: (file.__delitem__("_blocks"), file.__setitem__("_blocks", np.zeros((9, 32), np.uint8))),
        "checksums",
    ),
    "rows of any length": (lambda file: file.create_dataset("x", (ROWS,), h5py.string_dtype()), "no column"),
    "references": (lambda file: file.create_dataset("x", (ROWS,), h5py.ref_dtype), "no column"),
    "compounds": (lambda file: file.create_dataset("x", (ROWS,), np.dtype([("a", "f4")])), "no column"),
    "nothing": (lambda file: file.create_dataset("x", data=h5py.Empty("f4")), "no column"),
    "a scalar": (lambda file: file.__setitem__("x", 1.0), "no column"),
    "in pieces": (lambda file: file.create_dataset("x", (ROWS,), "f4", chunks=(2,)), "one piece"),
    "never written": (unwritten, "never written"),
    "more rows than bytes": (vast, "never written|more than the file has"),
    "rows of no bytes and no checksums": (empty_rows, "checksums"),
    "a link to another file": (lambda file: file.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")), "a link"),
    "a link to itself": (lambda file: file.__setitem__("x", h5py.SoftLink("/x")), "a link"),
    "an attribute that is a list": (lambda file: file.attrs.__setitem__("x", [1, 2]), "neither a text nor a number"),
}


def sealed(path: Path) -> Path:
    body = path.read_bytes()[USER_BLOCK:]
    path.write_bytes(seal(hashlib.sha256(body).hexdigest()) + body)
    return path


@pytest.mark.parametrize("harm", HARM)
def test_harm_is_refused_in_one_line(harm: str, tmp_path: Path) -> None:
    make, words = HARM[harm]
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", userblock_size=USER_BLOCK) as file:
        fill(file)
        make(file)
    sealed(path)
    started = time.monotonic()
    with pytest.raises(StoreError, match=words) as caught:
        Store.open_any(path)
    assert "\n" not in str(caught.value)
    (fault,) = verify_store(path)
    assert str(path) in fault
    assert time.monotonic() - started < 20


def good(path: Path) -> Path:
    write_store(path, "annotations", {"id": np.array([b"a", b"b"])}, fingerprint="f" * 64)
    return path


def test_a_file_that_crashes_or_hangs_the_other_process_is_refused_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = good(tmp_path / "x.h5")
    assert len(Store.open_any(path)) == 2
    process = parser._PARSER._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(parser, "_WAIT_SECONDS", 0.2)
    with pytest.raises(StoreError, match=r"x\.h5: its structure is damaged, reading it crashes or does not end"):
        Store.open_any(path)
    monkeypatch.undo()
    assert len(Store.open_any(path)) == 2
    process = parser._PARSER._process
    assert process is not None
    process.kill()
    process.wait()
    assert len(Store.open_any(path)) == 2


def test_what_hdf5_does_for_too_long_ends_by_itself(tmp_path: Path) -> None:
    code = "import fer_au.stores.structure as s\ns._SECONDS = 0.2\ndef spin(path):\n while True: pass\n"
    command = [sys.executable, "-c", f"{code}s.read_structure = spin\ns.main()"]
    done = subprocess.run(command, input=b'"x"\n', capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGPROF


def test_the_other_process_ends_with_this_one_and_hears_no_ctrl_c(tmp_path: Path) -> None:
    path = good(tmp_path / "x.h5")
    code = (
        "import sys, os, signal\nfrom fer_au.stores import Store, parser\n"
        f"Store.open_any({str(path)!r})\nprint(parser._PARSER._process.pid, flush=True)\n"
        "os.kill(parser._PARSER._process.pid, signal.SIGINT)\n"
        f"Store.open_any({str(path)!r})\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    for _ in range(100):
        if not _runs(pid):
            return
        time.sleep(0.1)
    pytest.fail("the process goes on")


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0]
    except OSError:
        return False


def test_a_fork_has_a_process_of_its_own(tmp_path: Path) -> None:
    path = good(tmp_path / "x.h5")
    Store.open_any(path)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if len(Store.open_any(path)) == 2 else 2
            parser._PARSER.end()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(Store.open_any(path)) == 2
