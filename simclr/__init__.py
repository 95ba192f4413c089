"""SimCLR (Chen et al., ICML 2020), replicated: data, views, encoders, losses, training."""

from simclr import code, determinism  # in this order: `code` loads all that follows

code.own(__name__)
determinism.cap_instruction_sets()  # before anything computes
