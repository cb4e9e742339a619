"""What docs/stores.md says of the bytes of a store is so: its code reads, checks and writes stores of every kind."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fer_au.errors import StoreError
from fer_au.faces import operation as align
from fer_au.landmarks import operation as landmarks
from fer_au.shards.cache import KEY_BYTES, Shard
from fer_au.stores import Store, encode_ids, pack_ragged, write_store
from fer_au.stores.schemas import SCHEMAS, FaceStatus, LandmarkStatus, Schema
from fer_au.stores.seal import USER_BLOCK, seal
from fer_au.stores.verify import verify_store
from tests.docs.blocks import read_blocks
from tests.stores.golden_stores import COLUMNS, FINGERPRINT, attributes_of, columns_of, golden_path

PAGE = (Path(__file__).parents[2] / "docs/stores.md").read_text(encoding="utf-8")
BLOCKS = read_blocks("docs/stores.md", "python")
CODE = [block.text for block in BLOCKS]


def described_columns(text: str) -> dict[str, tuple[str, str]]:
    """Column -> type and shape, from the table of a kind; a column with a name of its own by its group, ``cam/``."""
    found = {}
    for names, kind, shape in re.findall(r"^\| (`.*?) \| ?(.*?) ?(?<!\\)\| ?(.*?) ?\| ", text, re.MULTILINE):
        for name in re.findall("`([^`]+)`", names):
            found[re.sub(r"/[A-Z]+$", "/", name)] = kind.strip("`").replace("\\", ""), shape
    return found


KINDS = {
    name: described_columns(text)
    for name, text in re.findall(r"^### `(fer_au\.\w+/\d)`.*?\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
}


def load(name: str) -> Callable[..., Any]:
    (code,) = [code for code in CODE if f"def {name}(" in code]
    scope: dict[str, Any] = {}
    exec(compile(code, "docs/stores.md", "exec"), scope)
    return scope[name]


read_store, check_columns, write_plain = load("read_store"), load("check_columns"), load("write_store")


def write(path: Path, schema: str, columns: dict[str, np.ndarray]) -> None:
    if schema.startswith("fer_au.shard/"):
        keys = columns["key"]
        rest = {name: values for name, values in columns.items() if name != "key"}
        path.write_bytes(Shard.of(FINGERPRINT, "golden", keys, rest).data)
    else:
        kind = schema.removeprefix("fer_au.").split("/")[0]
        write_store(path, kind, columns, fingerprint=FINGERPRINT, attributes=attributes_of(schema))


def test_the_page_needs_nothing_of_the_project() -> None:
    assert len(CODE) == 3
    assert not any("fer_au" in line for code in CODE for line in code.splitlines() if "import" in line)
    reader = next(code for code in CODE if "def read_store" in code)
    assert len([line for line in reader.splitlines() if line]) <= 15


@pytest.mark.parametrize("schema", COLUMNS)
@pytest.mark.parametrize("origin", ["now", "earlier release"])
def test_the_reader_reads_every_kind(schema: str, origin: str, tmp_path: Path) -> None:
    path = golden_path(schema)
    if origin == "now":
        path = tmp_path / "store.h5"
        write(path, schema, columns_of(schema))
    attributes, columns = read_store(path)
    assert attributes["schema"] == schema
    assert attributes["fingerprint"] == FINGERPRINT
    assert attributes.items() >= attributes_of(schema).items()
    expected = columns_of(schema)
    assert set(columns) == {*expected, "_blocks"}
    for name, values in expected.items():
        np.testing.assert_array_equal(columns[name], values, strict=True)
    assert check_columns(attributes, columns) == []


def test_the_reader_sees_one_changed_bit(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    write(path, "fer_au.landmarks/1", columns_of("fer_au.landmarks/1"))
    whole = path.read_bytes()
    for place in (21, USER_BLOCK, len(whole) // 2, len(whole) - 1):
        data = bytearray(whole)
        data[place] ^= 1
        path.write_bytes(data)
        with pytest.raises(ValueError, match="damaged"):
            read_store(path)


def test_the_checksums_name_the_damaged_block(tmp_path: Path) -> None:
    rows, path = 2500, tmp_path / "store.h5"
    crops = [b"%d" % row for row in range(rows)]
    columns = {"id": encode_ids([f"{row:04d}" for row in range(rows)]), **pack_ragged(crops, "note")}
    write(path, "fer_au.annotations/1", columns)
    attributes, columns = read_store(path)
    assert check_columns(attributes, dict(columns)) == []
    columns["note"][columns["note_offset"][1024]] ^= 1
    assert check_columns(attributes, dict(columns)) == [1]
    columns["note"][columns["note_offset"][1024]] ^= 1
    columns["renamed"] = columns.pop("note_offset")
    with pytest.raises(ValueError, match="content_sha256"):
        check_columns(attributes | {"rows": 0}, columns | {"_blocks": columns["_blocks"][:0]})


@pytest.mark.parametrize("schema", [schema for schema in COLUMNS if not schema.startswith("fer_au.shard/")])
def test_what_plain_h5py_writes_is_read_and_verified(schema: str, tmp_path: Path) -> None:
    _, columns = read_store(golden_path(schema))
    blocks, content = columns.pop("_blocks"), Store.open_any(golden_path(schema)).content_sha256
    path = tmp_path / "store.h5"
    write_plain(path, schema, FINGERPRINT, columns, blocks, content, **attributes_of(schema))
    assert verify_store(path) == []
    store = Store.open_any(path)
    assert (store.schema, store.attributes, store.content_sha256) == (schema, attributes_of(schema), content)
    for name, values in columns.items():
        np.testing.assert_array_equal(store[name], values, strict=True)


def test_links_are_refused_and_hdf5_begins_where_the_page_says(tmp_path: Path) -> None:
    path, rows = tmp_path / "shard.h5", 40
    write(path, "fer_au.shard/1", {"key": np.zeros((rows, KEY_BYTES), np.uint8), "x": np.zeros(rows, "<f4")})
    data = path.read_bytes()
    assert data[:USER_BLOCK].split(b"\n")[1] == b"index=1280"
    assert data.index(b"\x89HDF") == 2048
    path = tmp_path / "linked.h5"
    write(path, "fer_au.truth/1", columns_of("fer_au.truth/1"))
    with h5py.File(path, "r+") as file:
        file["elsewhere"] = h5py.ExternalLink("other.h5", "/points")
    data = path.read_bytes()[USER_BLOCK:]
    path.write_bytes(seal(hashlib.sha256(data).hexdigest()) + data)
    with pytest.raises(StoreError, match="refused"):
        Store.open_any(path)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda schema: schema.name)
def test_the_page_describes_every_kind_and_its_columns(schema: Schema) -> None:
    described = KINDS[schema.name]
    assert {*schema.columns, *schema.tables} <= described.keys()
    assert ("data" in described) == schema.ragged
    for name, values in columns_of(schema.name).items():
        if schema.kind == "shard" and name != "key":
            continue
        kind, shape = described.get(name) or described[name.split("/")[0] + "/"]
        if kind == "ragged":
            assert name in Store.open_any(golden_path(schema.name)).columns
        elif kind:
            assert values.dtype.kind == np.dtype(kind).kind, name
            assert len(shape.split(", ")) == values.ndim, name


def test_columns_of_fixed_types_are_those_of_the_stages() -> None:
    for schema, fields in (("fer_au.faces/1", align.FIELDS), ("fer_au.landmarks/1", landmarks.FIELDS)):
        for name, field in fields.items():
            assert KINDS[schema][name][0] == np.dtype(field.dtype).str
    assert [f"{status.value}" for status in FaceStatus] == re.findall(r"(\d) [a-z]", PAGE.split("`status`")[1])[:4]
    assert [f"{status.value}" for status in LandmarkStatus] == re.findall(r"(\d) [a-z]", PAGE.split("`status`")[2])[:3]
