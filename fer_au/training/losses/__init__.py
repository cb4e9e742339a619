"""Guidance losses, one file for each kind of comparison."""
