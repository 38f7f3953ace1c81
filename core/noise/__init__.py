"""Noise: models (what is known of it), estimators (measured from an image), simulators."""
