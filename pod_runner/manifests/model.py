"""The base of the typed models: frozen, by Kubernetes' spelling, made from bodies that have been judged."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel

Item = TypeVar("Item")
Items: TypeAlias = Annotated[tuple[Item, ...], Strict(False)]  # JSON has lists, a frozen value tuples
Text: TypeAlias = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
Quantity: TypeAlias = Annotated[
    str, BeforeValidator(lambda value: str(value) if type(value) in (int, float) else value)
]
PortOrName: TypeAlias = int | str


class KubeModel(BaseModel):
    """A part of an object. What is not modelled has been judged to be without effect, or refused."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="ignore",
        populate_by_name=True,
        alias_generator=to_camel,
        cache_strings="keys",
    )


class OwnerReference(KubeModel):
    """Who made an object; with the last of its owners it goes."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


class Metadata(KubeModel):
    """Metadata of an object (meta/v1 ObjectMeta). Times are RFC 3339 texts."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: dict[str, Text] = Field(default_factory=dict)
    annotations: dict[str, Text] = Field(default_factory=dict)
    owner_references: Items[OwnerReference] = ()
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None


class Requirement(KubeModel):
    """A line of a selector: of labels (In, NotIn, Exists, DoesNotExist), of nodes also Gt and Lt."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: Items[str] = ()


class LabelSelector(KubeModel):
    """Whose labels fit: all lines must hold. An empty one fits everything."""

    match_labels: dict[str, Text] = Field(default_factory=dict)
    match_expressions: Items[Requirement] = ()


class LocalReference(KubeModel):
    """Something named in the same namespace, that may be missing if it is optional."""

    name: str = ""
    optional: bool = False


class KeyReference(LocalReference):
    """One key of it."""

    key: str


class FieldReference(KubeModel):
    """A field of the pod itself, such as `metadata.labels['app']`."""

    field_path: str


class ResourceReference(KubeModel):
    """A limit or request of a container, divided and rounded up."""

    resource: str
    container_name: str = ""
    divisor: Quantity = Field("0")  # "0" counts as 1
