"""kubeconfig: kubectl's file of clusters, users and contexts, as far as a node's agent needs it.

What would start programs or ask people is refused with a sentence: an agent has nobody to ask.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cluster_store.store import StoreRefused

SIZE_LIMIT = 4 << 20  # bytes; a large one has some 100 KiB


def _nothing_as_empty(value: object) -> object:
    return "" if value is None else value


def _nothing_as_none_listed(value: object) -> object:
    return () if value is None else tuple(value) if isinstance(value, list) else value


Text = Annotated[str, BeforeValidator(_nothing_as_empty)]


class _Part(BaseModel):
    """A value read from the file; keys that are not ours are kubectl's business."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)


class Cluster(_Part):
    """Where the API server is, and who vouches for it."""

    server: Text = ""
    authority: Text = Field("", alias="certificate-authority")
    authority_data: Text = Field("", alias="certificate-authority-data")
    skip_verify: bool = Field(False, alias="insecure-skip-tls-verify")
    server_name: Text = Field("", alias="tls-server-name")
    proxy: Text = Field("", alias="proxy-url")


class User(_Part):
    """Who we are there."""

    token: Text = Field("", repr=False)
    token_file: Text = Field("", alias="tokenFile")
    certificate: Text = Field("", alias="client-certificate")
    certificate_data: Text = Field("", alias="client-certificate-data")
    key: Text = Field("", alias="client-key")
    key_data: Text = Field("", alias="client-key-data", repr=False)
    exec_plugin: object = Field(None, alias="exec")
    auth_provider: object = Field(None, alias="auth-provider")
    impersonated: Text = Field("", alias="as")
    username: Text = ""


class Context(_Part):
    """Which user of which cluster."""

    cluster: Text = ""
    user: Text = ""


class NamedCluster(_Part):
    """A cluster under its name."""

    name: str
    cluster: Cluster


class NamedUser(_Part):
    """A user under its name."""

    name: str
    user: User


class NamedContext(_Part):
    """A context under its name."""

    name: str
    context: Context


class Kubeconfig(_Part):
    """The whole file."""

    current_context: Text = Field("", alias="current-context")
    clusters: Annotated[tuple[NamedCluster, ...], BeforeValidator(_nothing_as_none_listed)] = ()
    users: Annotated[tuple[NamedUser, ...], BeforeValidator(_nothing_as_none_listed)] = ()
    contexts: Annotated[tuple[NamedContext, ...], BeforeValidator(_nothing_as_none_listed)] = ()

    def choose(self, wanted: str, where: str) -> tuple[Cluster, User]:
        """Return the cluster and the user of a context, "" for the current one. Raises StoreRefused."""
        name = wanted or self.current_context
        if not name:
            raise StoreRefused(f"{where}: current-context is not set: name a context")
        context = _find({one.name: one.context for one in self.contexts}, name, "context", where)
        cluster = _find({one.name: one.cluster for one in self.clusters}, context.cluster, "cluster", where)
        users = {one.name: one.user for one in self.users}
        user = _find(users, context.user, "user", where) if context.user else User()
        _refuse_what_we_lack(cluster, user, context, where)
        return cluster, user


T = TypeVar("T")


def parse_kubeconfig(text: str, where: str) -> Kubeconfig:
    """Read a kubeconfig, YAML or JSON; `where` it was found goes into the error.

    Raises:
        StoreRefused: naming line or key, never what stands there: it may be a secret.
    """
    import yaml  # 10 ms that only those pay who have a kubeconfig

    if len(text) > SIZE_LIMIT:
        raise StoreRefused(f"{where}: {len(text)} bytes are too many for a kubeconfig")
    try:
        body = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise StoreRefused(f"{where}: {line}not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise StoreRefused(f"{where}: not YAML") from None
    return _validate(body, where)


def _validate(body: object, where: str) -> Kubeconfig:
    if not isinstance(body, dict):
        raise StoreRefused(f"{where}: no kubeconfig: expected keys clusters, users, contexts")
    try:
        return Kubeconfig.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
        raise StoreRefused(f"{where}: {key}: {said}") from None


def _find(among: dict[str, T], name: str, kind: str, where: str) -> T:
    if name not in among:
        known = ", ".join(sorted(among)) or "none"
        raise StoreRefused(f"{where}: there is no {kind} {name!r} (there is: {known})")
    return among[name]


def _refuse_what_we_lack(cluster: Cluster, user: User, context: Context, where: str) -> None:
    instead = "use a token, a tokenFile or a client certificate"
    lacking = {
        f"user {context.user}: exec plugins are not run by an agent: {instead}": user.exec_plugin,
        f"user {context.user}: auth-provider is gone since Kubernetes 1.26: {instead}": user.auth_provider,
        f"user {context.user}: username is gone since Kubernetes 1.19: {instead}": user.username,
        f"user {context.user}: an agent does not impersonate ('as'): name the user itself": user.impersonated,
        f"cluster {context.cluster}: proxy-url is not supported: name a server in reach": cluster.proxy,
        f"user {context.user}: client-certificate without client-key": (
            (user.certificate or user.certificate_data) and not (user.key or user.key_data)
        ),
    }
    for sentence, is_wanted in lacking.items():
        if is_wanted:
            raise StoreRefused(f"{where}: {sentence}")
