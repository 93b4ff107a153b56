"""What a container needs before it can start: its image's user, its root, its mounts, its variables."""

from __future__ import annotations

from dataclasses import replace

from pod_runner.container.ids import possible_groups, require_ids
from pod_runner.container.spec import ContainerSpec
from pod_runner.images.image import Image
from pod_runner.images.root_fs import root_fs
from pod_runner.images.users import Ids, find_ids
from pod_runner.manifests.container import Container
from pod_runner.supervisor.environment import environment
from pod_runner.supervisor.plan import Found, container_spec
from pod_runner.supervisor.shared import Shared
from pod_runner.volumes.mounting import mounts_of


def assemble(shared: Shared, container: Container, image: Image) -> ContainerSpec:
    """Make a container's folders and return what to start.

    Raises:
        ContainerError: something that it names is not there, or may not be.
        OSError: the folders could not be made (a full disk).
    """
    order = shared.order
    found = Found(
        image=image,
        ids=_possible(shared, container, find_ids(image, image.user)),
        root=root_fs(image, shared.folder / "root" / container.name),
        mounts=mounts_of(container, shared.volumes),
        env=environment(container, image, shared.facts(), order.config_maps, order.services),
    )
    spec = container_spec(shared.pod, container, found)
    require_ids(f"container {container.name}", spec.security, shared.spec.user_namespace)
    return spec


def _possible(shared: Shared, container: Container, ids: Ids) -> Ids:
    """Leave out groups of the image's user that this node has not, and say so: nobody asked for them."""
    if shared.spec.user_namespace is not None or len(groups := possible_groups(ids.groups)) == len(
        ids.groups
    ):
        return ids
    names = ", ".join(str(one) for one in ids.groups if one not in groups)
    shared.note(f"container {container.name} is not in its image's groups {names}: this node has no such ids")
    return replace(ids, groups=groups)
