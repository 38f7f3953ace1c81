"""File formats: every file here is one, found by the registry."""
