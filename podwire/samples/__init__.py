"""Configuration lists to begin with; `podwire install --conflist NAME` puts one where runtimes look."""
