"""Where images come from: a module a source."""
