"""The window. Knows core, never plugins, never torch."""
