"""Data sets: their sources, their packed form, and the images handed to training."""
