"""Denoisers: every file here is one, found by the registry; see CONTRIBUTING.md."""
