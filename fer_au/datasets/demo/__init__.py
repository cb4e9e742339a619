"""The demo data set: synthetic faces with exact ground truth, rendered from a bundled CC0 head."""

from __future__ import annotations
