"""A sandbox, and processes in it: what an OCI runtime does, from values that say everything.

spec        what is wanted, as values: Sandbox, Container, Resources, Security, Mount, RootFs; pure
"""
