"""From metrics to figures and verdicts."""
