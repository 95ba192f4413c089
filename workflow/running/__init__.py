"""How planned results are computed: locks, progress, GPUs, clusters."""
