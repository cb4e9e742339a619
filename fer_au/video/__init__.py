"""Show a trained model on videos: an annotated copy, a table with a row per face and frame, a timeline."""
