"""Results on disk: their keys, their folders, how one is computed."""
