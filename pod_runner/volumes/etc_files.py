"""/etc/hosts, /etc/hostname and /etc/resolv.conf of a pod, as kubelet writes them."""

from __future__ import annotations

from collections.abc import Sequence

from pod_runner.manifests.pod import Pod
from pod_runner.supervisor.order import PodOrder


def write_etc(order: PodOrder, pod: Pod, addresses: Sequence[str]) -> list[str]:
    """Write the files into the pod's folder; return what had to be left out, as sentences.

    `addresses` are the pod's. Written in place: containers that run have these files mounted.
    """
    raise NotImplementedError


def hostname_of(pod: Pod) -> str:
    """Return the pod's host name: spec.hostname, else its own name, cut to what Linux takes (63)."""
    raise NotImplementedError
