"""A request by TLS; whose certificate it is does not matter, as to kubelet. Runs in a task: it waits."""

from __future__ import annotations

import ssl

from linuxnet.errors import KernelError
from pod_runner.supervisor.checks import ANSWER_LIMIT, judge_status_line, open_socket


def request(netns: str, address: tuple[str, int], head: bytes, timeout: float) -> tuple[bool, str]:
    """Return whether the answer is a success, and what to say of it; `timeout` in seconds."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with open_socket(netns, address[0]) as plain:
            plain.settimeout(timeout)
            plain.connect(address)
            with context.wrap_socket(plain) as secured:
                secured.sendall(head)
                return judge_status_line(secured.recv(ANSWER_LIMIT))
    except (OSError, KernelError, OverflowError) as error:  # ssl's errors are OSErrors
        return False, f"{address[0]}:{address[1]}: {error}"
