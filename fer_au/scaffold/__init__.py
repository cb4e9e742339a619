"""A lab's own project folder: made by ``fer-au init``, brought to another release by ``fer-au upgrade``."""
