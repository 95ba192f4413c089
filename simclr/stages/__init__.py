"""The stages: a module each, with one function `run`."""
