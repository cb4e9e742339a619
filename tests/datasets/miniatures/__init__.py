"""Made-up miniatures of official layouts: folders, names and label files as distributed, with noise as pictures.

Each module has ``write(root)``, which writes a sound set; tests damage it.
"""
