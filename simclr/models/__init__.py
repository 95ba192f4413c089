"""Networks: encoder, heads, and their files."""
