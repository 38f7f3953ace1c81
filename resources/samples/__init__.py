"""Synthetic RAW files to try Sordino on, and the script that makes them."""
