"""Tables for notebooks, where pandas is installed; nothing else of the project needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fer_au.errors import MissingDependencyError

if TYPE_CHECKING:
    import pandas


def make_frame(columns: Mapping[str, object], caller: str) -> pandas.DataFrame:
    """Make a pandas table.

    Args:
        columns: Name of each column -> its values, all of one length.
        caller: What the user called, as the message names it.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError(f"{caller} needs pandas; run `pip install pandas`") from error
    return pd.DataFrame(dict(columns))
