"""Learned methods: how their networks are trained, kept and described."""
