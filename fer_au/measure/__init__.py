"""Measures: the scores of attention for maps that were made elsewhere, by any program, of faces of a data set."""
