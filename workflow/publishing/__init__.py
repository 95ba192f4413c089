"""What leaves and enters results/: figures, metrics, DVC's record."""
