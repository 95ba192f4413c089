"""SimCLR (Chen et al., ICML 2020), replicated: data, views, encoders, losses, training."""

from simclr import determinism

determinism.cap_instruction_sets()  # before anything computes
