"""Probes: which layers of a network know the expression, and which the person, by a linear classifier on each."""
