"""Classifier heads on a trunk's features, one file each."""
