"""Whole clusters in namespaces: what users would see, whatever happens around the nodes."""
