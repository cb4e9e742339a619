"""Typed, strict reading of ``params.yaml``; one module per part of the pipeline, so that stages depend on their own."""
