"""Use what was trained, far from any pipeline: answers for folders of pictures, as tables, maps and overlays."""
