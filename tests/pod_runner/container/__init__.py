"""Tests of pod_runner.container."""
