"""Measurements against the peers, in the same run. `./dev bench` lists them; none is a test."""
