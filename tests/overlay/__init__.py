"""The overlay: its parts, and whole nodes in namespaces."""
