"""A look at a folder of pictures before it is a data set: what it is, what it holds, and the entry that takes it.

``gather.py`` collects a ``DataCheck`` (``result.py``), which ``page.py`` writes for people and ``document.py`` as JSON.
"""
