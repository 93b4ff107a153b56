"""The conformance suite judged: by models that keep every clause, mutants that break one, and our plugins."""
