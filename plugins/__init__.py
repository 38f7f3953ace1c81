"""Plugins: methods/ holds the denoisers, formats/ the file formats. One file = one plugin."""
