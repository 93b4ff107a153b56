"""The bundle for a bug report: what is in it, what never is, and what cannot hold it up."""
