"""All objects of a kind, read in pages that are of one instant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cluster_store.kubernetes_answers import Expired, JsonObject, KindUnknown, NotFound
from cluster_store.kubernetes_http import Connection, Question
from cluster_store.store import StoreUnavailable

Keep = Callable[[JsonObject], JsonObject]

PAGE = 250  # objects; client-go's 500 whole Nodes take 20 MB more while they are parsed
ALL: Mapping[str, str] = {}
LIST_ATTEMPTS = 3  # a list whose pages expire while they are read is begun anew
METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"


@dataclass(frozen=True)
class Listing:
    """All objects there are, and where the server's history stood."""

    items: tuple[JsonObject, ...]
    resource_version: str


def whole(item: JsonObject) -> JsonObject:
    """Keep all of an object."""
    return item


def list_objects(
    connection: Connection,
    path: str,
    page: int,
    *,
    is_metadata: bool,
    keep: Keep,
    select: Mapping[str, str] = ALL,
) -> Listing:
    """Read all pages of one list, which are of one instant; `select`: the query's selectors.

    Raises:
        KindUnknown: the server has no such path.
        StoreUnavailable, StoreRefused.
    """
    for _ in range(LIST_ATTEMPTS):
        try:
            return _pages(connection, path, page, is_metadata=is_metadata, keep=keep, select=select)
        except Expired:  # etcd's compaction, every five minutes, has overtaken us
            continue
        except NotFound as error:
            raise KindUnknown(f"{error}") from error
    try:
        return _pages(connection, path, 0, is_metadata=is_metadata, keep=keep, select=select)
    except NotFound as error:
        raise KindUnknown(f"{error}") from error
    except Expired as error:
        raise StoreUnavailable(f"{error}") from error


def _pages(
    connection: Connection, path: str, page: int, *, is_metadata: bool, keep: Keep, select: Mapping[str, str]
) -> Listing:
    accept = METADATA.format("List") if is_metadata else "application/json"
    items: list[JsonObject] = []
    query: dict[str, str | int] = {**select, "limit": page} if page else {**select}
    while True:
        body = connection.ask(Question("GET", path, query, accept=accept))
        metadata, listed = body.get("metadata"), body.get("items")
        if not isinstance(metadata, dict) or not isinstance(listed, list | None):  # null: an empty list of Go
            raise StoreUnavailable(f"{connection.access.where}: {path} is no list")
        items += (keep(one) for one in listed or () if isinstance(one, dict))
        if not (token := metadata.get("continue")):
            return Listing(tuple(items), str(metadata.get("resourceVersion", "")))
        query = query | {"continue": str(token)}
