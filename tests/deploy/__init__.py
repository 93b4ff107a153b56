"""What deploy/ says is what Kubernetes takes, and what it starts starts."""
