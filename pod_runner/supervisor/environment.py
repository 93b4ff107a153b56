"""A container's variables and command line, as kubelet makes them (kubelet: makeEnvironmentVariables). Pure.

Later ones replace earlier ones: the image's, services', envFrom, env. `$(NAME)` stands for a variable that
was set before; `$$(NAME)` is the text `$(NAME)`; of an unknown name nothing is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pod_runner.container.spec import ContainerError
from pod_runner.images.image import Image
from pod_runner.manifests.container import Container, EnvFrom, EnvVar, EnvVarSource
from pod_runner.manifests.model import KeyReference
from pod_runner.supervisor.fields import Facts, field_of, resource_of

CONFIG_ERROR = "CreateContainerConfigError"
# $$ is a $, $(NAME) a variable; anything else after a $ is left alone (Kubernetes: golang/expansion)
_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
ConfigMaps = Mapping[str, Mapping[str, str]]


def environment(
    container: Container, image: Image, facts: Facts, config_maps: ConfigMaps, services: Mapping[str, str]
) -> dict[str, str]:
    """Return a container's variables.

    Raises:
        ContainerError: a ConfigMap or one of its keys is missing, and not optional.
    """
    env = dict(image.env) | {"HOSTNAME": facts.hostname} | dict(services)
    for source in container.env_from:
        env |= _all_keys(source, config_maps)
    for variable in container.env:
        value = _value(variable, container, env, facts, config_maps)
        if value is not None:
            env[variable.name] = value
    return env


def command_line(container: Container, image: Image, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return argv: `command` replaces the image's entrypoint and its arguments, `args` the arguments alone.

    Raises:
        ContainerError: neither the image nor the manifest names a program.
    """
    command = tuple(expand(one, env) for one in container.command)
    args = tuple(expand(one, env) for one in container.args)
    argv = command + args if command else image.entrypoint + (args or image.cmd)
    if not argv:
        raise ContainerError(
            f"container {container.name}: image {image.reference!r} names no program, and the pod no command",
            "RunContainerError",
        )
    return argv


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace the references of a text."""

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return env.get(found[1], found[0])

    return _REFERENCE.sub(replace, text)


def _value(
    variable: EnvVar, container: Container, env: Mapping[str, str], facts: Facts, config_maps: ConfigMaps
) -> str | None:
    if variable.value_from is None:
        return expand(variable.value, env)
    return _from_source(variable.value_from, container, facts, config_maps)


def _from_source(
    source: EnvVarSource, container: Container, facts: Facts, config_maps: ConfigMaps
) -> str | None:
    """Return a value; None where an optional one is missing."""
    if source.config_map_key_ref is not None:
        return _key(source.config_map_key_ref, config_maps)
    if source.field_ref is not None:
        return field_of(facts, source.field_ref.field_path)
    if source.resource_field_ref is not None:
        return resource_of(facts, source.resource_field_ref, container)
    return ""


def _key(reference: KeyReference, config_maps: ConfigMaps) -> str | None:
    found = config_maps.get(reference.name)
    if found is not None and reference.key in found:
        return found[reference.key]
    if reference.optional:
        return None
    if found is None:
        raise ContainerError(f'configmap "{reference.name}" not found', CONFIG_ERROR)
    raise ContainerError(f"couldn't find key {reference.key} in ConfigMap {reference.name}", CONFIG_ERROR)


def _all_keys(source: EnvFrom, config_maps: ConfigMaps) -> dict[str, str]:
    reference = source.config_map_ref
    if reference is None:
        return {}
    found = config_maps.get(reference.name)
    if found is None:
        if reference.optional:
            return {}
        raise ContainerError(f'configmap "{reference.name}" not found', CONFIG_ERROR)
    return {source.prefix + key: value for key, value in _usable(found.items())}


def _usable(items: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Leave out what no variable can be called or hold: execve(2) ends both at a NUL, the name at a "="."""
    return ((key, value) for key, value in items if key and "=" not in key and "\0" not in key + value)
