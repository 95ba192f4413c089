"""Pages of docs/ that commands write."""
