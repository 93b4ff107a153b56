"""Tests of pod_runner.kernel."""
