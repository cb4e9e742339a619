"""HDF5 stores of artefacts: their bytes and schemas, and reading, writing, checking and merging them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.fingerprints import fingerprint as fingerprint
    from fer_au.stores.columns import encode_ids as encode_ids
    from fer_au.stores.columns import pack_ragged as pack_ragged
    from fer_au.stores.reader import Store as Store
    from fer_au.stores.schemas import FaceStatus as FaceStatus
    from fer_au.stores.schemas import LandmarkStatus as LandmarkStatus
    from fer_au.stores.writer import write_store as write_store

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "FaceStatus": ".schemas",
        "LandmarkStatus": ".schemas",
        "Store": ".reader",
        "encode_ids": ".columns",
        "fingerprint": "fer_au.fingerprints",
        "pack_ragged": ".columns",
        "write_store": ".writer",
    },
)
