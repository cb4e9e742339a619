"""A look at a folder as one JSON document; ``docs/datasets.md`` lists its keys, which stay."""

from __future__ import annotations

import json
from dataclasses import asdict

from fer_au.data_check.entry import write_entry
from fer_au.data_check.result import DataCheck

SCHEMA = "fer_au.check-data/1"


def write_document(check: DataCheck) -> str:
    """Write all facts, in the order of the classes; what isn't known is null, and no number is NaN."""
    entry = write_entry(check.name, check.entry) if check.usable else None
    facts = {"schema": SCHEMA, **asdict(check), "params": entry}
    return json.dumps(facts, ensure_ascii=False, indent=2, allow_nan=False)
