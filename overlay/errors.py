"""What can be wrong with a lease: sentences for the person who must act."""

from __future__ import annotations


class NotConfigured(Exception):
    """The registry has no network's configuration, or none that can be used: the message says where."""


class NoLease(Exception):
    """No subnet could be had: the pool is full, or the cluster gave this node none (yet)."""


class Stolen(Exception):
    """A subnet that this node's pods live on has another owner now: the message names both."""


class BadRecord(ValueError):
    """No record of a node: the message says why."""
