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
from pod_runner.supervisor.fields import Facts
from pod_runner.supervisor.order import PodOrder
from pod_runner.supervisor.plan import Found, container_spec
from pod_runner.supervisor.shared import Shared
from pod_runner.volumes.mounting import mounts_of
from pod_runner.volumes.preparing import Volumes


def assemble(shared: Shared, container: Container, image: Image) -> ContainerSpec:
    """Make a container's folders and return what to start.

    Raises:
        ContainerError: something that it names is not there, or may not be.
        OSError: the folders could not be made (a full disk).
    """
    ids = _possible(shared, container, find_ids(image, image.user))
    spec = assemble_for(shared.order, container, image, shared.facts(), shared.volumes, ids)
    require_ids(f"container {container.name}", spec.security, shared.spec.user_namespace)
    return spec


def assemble_for(
    order: PodOrder,
    container: Container,
    image: Image,
    facts: Facts,
    volumes: Volumes,
    ids: Ids | None = None,
) -> ContainerSpec:
    """Do the same for a pod that no supervisor has. `ids`: its image's user, None to look."""
    found = Found(
        image=image,
        ids=ids or find_ids(image, image.user),
        root=root_fs(image, order.folder / "root" / container.name),
        mounts=mounts_of(container, volumes),
        env=environment(container, image, facts, order.config_maps, order.services),
    )
    return container_spec(facts.pod, container, found)


def _possible(shared: Shared, container: Container, ids: Ids) -> Ids:
    """Leave out groups of the image's user that this node has not, and say so: nobody asked for them."""
    if shared.spec.user_namespace is not None:
        return ids
    groups = possible_groups(ids.groups)
    if lost := [str(one) for one in ids.groups if one not in groups]:
        names = ", ".join(lost)
        shared.note(
            f"container {container.name} is not in its image's groups {names}: this node has no such ids"
        )
    return replace(ids, groups=groups)
