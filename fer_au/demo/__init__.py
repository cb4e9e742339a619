"""The renderer of the demo set: synthetic people with expressions and their exact truth, written as pictures."""
