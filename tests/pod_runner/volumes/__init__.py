"""Volumes: what containers would see, without containers."""
