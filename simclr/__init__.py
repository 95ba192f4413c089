"""SimCLR (Chen et al., ICML 2020), replicated: data, views, encoders, losses, training."""
