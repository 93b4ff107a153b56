"""Errors -> one sentence on stderr, or an error object on stdout with `--output json`; exit status 1.

This is the one place where an error is printed. Wrong usage is typer's business: it exits with 2.
"""

from __future__ import annotations

import json
import sys

from cluster_store.store import Conflict as StoreConflict
from cluster_store.store import StoreRefused, StoreUnavailable
from cni_spec.errors import INVALID_CONFIG, IO_FAILURE, NOT_AVAILABLE, TRY_AGAIN_LATER, CniError
from cni_spec.json_input import JsonObject
from cni_spec.versions import LATEST_VERSION
from linuxnet.errors import Busy, Conflict, KernelError, MissingTool
from overlay.errors import NoLease, NotConfigured, Stolen
from podwire.commands.printing import Output, print_json, say

_REGISTRY = {
    StoreUnavailable: TRY_AGAIN_LATER, StoreConflict: TRY_AGAIN_LATER, StoreRefused: INVALID_CONFIG,
    NotConfigured: NOT_AVAILABLE, NoLease: NOT_AVAILABLE, Stolen: NOT_AVAILABLE,
}  # fmt: skip
FORESEEN = (
    CniError, KernelError, Conflict, MissingTool, Busy, OSError, ExceptionGroup,
    StoreUnavailable, StoreConflict, StoreRefused, NotConfigured, NoLease, Stolen,
)  # fmt: skip


def foreseen() -> tuple[type[Exception], ...]:
    """Return what errors a command may end with. The cluster's are imported (30 ms) when one has failed."""
    return (Failed, *FORESEEN, *_cluster_errors())


def _cluster_errors() -> dict[type[Exception], int]:
    from pod_runner.cluster.objects import BadObject
    from pod_runner.cluster.selectors import BadSelector
    from pod_runner.cluster.store import AlreadyExists, ClusterError, NotFound, Outdated
    from pod_runner.controllers.revisions import NoRevision
    from pod_runner.supervisor.client import ControlError

    return {
        NotFound: NOT_AVAILABLE, AlreadyExists: NOT_AVAILABLE, NoRevision: NOT_AVAILABLE,
        ClusterError: NOT_AVAILABLE,
        Outdated: TRY_AGAIN_LATER, ControlError: TRY_AGAIN_LATER,
        BadObject: INVALID_CONFIG, BadSelector: INVALID_CONFIG,
    }  # fmt: skip


class Failed(Exception):
    """A command failed; `facts` are printed beside its error object."""

    def __init__(self, cause: Exception, facts: JsonObject) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.facts = facts


def print_failure(failure: Exception, output: Output) -> None:
    """Print an error for its reader."""
    cause, facts = (failure.cause, failure.facts) if isinstance(failure, Failed) else (failure, {})
    errors = [as_error(one) for one in (cause.exceptions if isinstance(cause, ExceptionGroup) else (cause,))]
    if output is Output.JSON:
        _print_object(errors, facts)
        return
    for error in errors:
        say(error.msg)
        for line in _details(error):
            sys.stderr.write(f"  {line}\n")


def as_error(failure: Exception) -> CniError:
    """Give a failure of any room the shape of a CNI error."""
    if isinstance(failure, OSError):
        return CniError(IO_FAILURE, f"{failure.filename or 'system'}: {failure.strerror or failure}")
    if (code := _REGISTRY.get(type(failure), _cluster_errors().get(type(failure)))) is not None:
        return CniError(code, str(failure))
    from cni_plugins.skeleton import as_cni_error

    return as_cni_error(failure)


def _details(error: CniError) -> list[str]:
    return [*error.details.splitlines(), *getattr(error, "__notes__", ())]


def _print_object(errors: list[CniError], facts: JsonObject) -> None:
    objects: list[JsonObject] = [json.loads(error.to_json(LATEST_VERSION)) for error in errors]
    print_json(objects[0] | ({"errors": objects} if len(objects) > 1 else {}) | facts)
