"""What a container needs before it can start: its image's user, its root, its mounts, its variables."""

from __future__ import annotations

from pod_runner.container.spec import ContainerSpec
from pod_runner.images.image import Image
from pod_runner.images.root_fs import root_fs
from pod_runner.images.users import find_ids
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
    return assemble_for(shared.order, container, image, shared.facts(), shared.volumes)


def assemble_for(
    order: PodOrder, container: Container, image: Image, facts: Facts, volumes: Volumes
) -> ContainerSpec:
    """Do the same for a pod that no supervisor has."""
    found = Found(
        image=image,
        ids=find_ids(image, image.user),
        root=root_fs(image, order.folder / "root" / container.name),
        mounts=mounts_of(container, volumes),
        env=environment(container, image, facts, order.config_maps, order.services),
    )
    return container_spec(facts.pod, container, found)
