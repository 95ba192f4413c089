"""What must be computed, under which keys, and what it costs."""
