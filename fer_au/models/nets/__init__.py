"""Whole networks with a classifier of their own, named by ``backbone``."""
