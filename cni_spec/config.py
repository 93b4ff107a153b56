"""JSON -> typed configuration: letter case, unknown keys, strictness.

Go's decoder, which wrote the configurations people have, takes keys in any letter case and ignores what
it does not know. We take any case too, with a warning, and warn of unknown keys; `"strict": true` in a
configuration makes them error 2. After that pydantic judges values strictly: JSON `true` is not 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from cni_spec.errors import INVALID_CONFIG, UNSUPPORTED_FIELD, CniError
from cni_spec.json_input import JsonObject, shorten
from cni_spec.names import NetworkName
from cni_spec.versions import ASSUMED_VERSION, version_or_assumed


class SpecModel(BaseModel):
    """A frozen value read from JSON; extra keys were dealt with before it is made.

    pydantic keeps the strings of keys, but not of values: those of pods that are gone are no use to an agent.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="ignore", populate_by_name=True, cache_strings="keys"
    )


class Dns(SpecModel):
    """Name servers and search order (CNI 1.1.0 section 5)."""

    nameservers: tuple[str, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def is_empty(self) -> bool:
        """Tell whether it says nothing."""
        return not (self.nameservers or self.domain or self.search or self.options)


class AttachmentId(SpecModel):
    """One entry of GC's list of attachments that are still wanted."""

    container_id: str = Field(alias="containerID")
    ifname: str


class NetworkConfig(SpecModel):
    """The keys every plugin takes (CNI 1.1.0 section 1). Plugins add theirs in a subclass.

    `args`, `ipam`, `capabilities` and `prev_result` stay JSON here: others are their readers.
    """

    # An IPAM plugin is handed the whole configuration of its caller: keys it does not know are not its.
    reports_unknown_keys: ClassVar[bool] = True

    cni_version: Annotated[str, AfterValidator(version_or_assumed)] = Field(
        ASSUMED_VERSION, alias="cniVersion"
    )
    name: NetworkName
    type: str = ""
    strict: bool = False  # unknown keys are error 2
    capabilities: JsonObject = {}
    args: JsonObject = {}
    ipam: JsonObject = {}
    dns: Dns = Dns()
    prev_result: JsonObject | None = Field(None, alias="prevResult")


@dataclass
class Remarks:
    """What is to be said about a configuration although it was accepted."""

    warnings: list[str] = field(default_factory=list)
    unknown: list[tuple[str, object]] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        yield from self.warnings
        yield from (f'unknown key "{key}" is ignored' for key, _ in self.unknown)


M = TypeVar("M", bound=SpecModel)


def parse_config(model: type[M], body: JsonObject) -> tuple[M, Remarks]:
    """Read a plugin's configuration and return it with what there is to remark.

    Raises:
        CniError: code 7 naming key, expectation and value; code 2 for an unknown key if `strict`.
    """
    remarks = Remarks()
    folded = fold_keys(model, body, "", remarks)
    if remarks.unknown and folded.get("strict") is True:
        key, value = remarks.unknown[0]
        raise CniError(UNSUPPORTED_FIELD, f"unsupported field {key}: {shorten(value)}")
    return validate(model, folded), remarks


def validate(model: type[M], folded: JsonObject) -> M:
    """Let pydantic judge the values. Raises CniError 7 with the first thing that is wrong."""
    try:
        return model.model_validate_json(json.dumps(folded), strict=True)
    except ValidationError as error:
        raise CniError(INVALID_CONFIG, *explain_validation(error)) from error


def explain_validation(error: ValidationError) -> tuple[str, str]:
    """Return the first complaint as a sentence, and all others as details ("" if it is the only one)."""
    sentences = [sentence for _, sentence in complaints(error)]
    return sentences[0], "\n".join(sentences[1:])


def complaints(error: ValidationError) -> list[tuple[tuple[int | str, ...], str]]:
    """Return every complaint: where it is, as keys and indices, and the sentence, which names it too."""
    found = []
    for item in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in item["loc"]) or "configuration"
        what = item["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
        came = "" if item["type"] == "missing" else f", came {shorten(item['input'])}"
        found.append((item["loc"], f"{where}: {what}{came}"))
    return found


def fold_keys(model: type[SpecModel], body: JsonObject, where: str, remarks: Remarks) -> JsonObject:
    """Return the object with every known key in the model's spelling, at every depth the model has.

    A null counts as not given, as in Go. Raises CniError 7 for one key in two spellings.
    """
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    folded = {alias.casefold(): alias for alias in fields}
    result: JsonObject = {}
    taken: set[str] = set()
    for key, value in body.items():
        alias = key if key in fields else folded.get(key.casefold())
        if alias is None:
            _note_unknown(model, f"{where}{key}", value, remarks)
            continue
        if alias != key:
            remarks.warnings.append(f'key "{where}{key}" is taken as "{alias}"')
        if alias in taken or (alias != key and alias in body):
            raise CniError(INVALID_CONFIG, f'{where}{alias}: given twice, also as "{key}"')
        taken.add(alias)
        if value is not None:
            result[alias] = _fold_value(fields[alias].annotation, value, f"{where}{alias}", remarks)
    return result


def _note_unknown(model: type[SpecModel], path: str, value: object, remarks: Remarks) -> None:
    if getattr(model, "reports_unknown_keys", True) and not path.startswith("cni.dev/"):
        remarks.unknown.append((path, value))


def _fold_value(annotation: Any, value: object, where: str, remarks: Remarks) -> object:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _fold_value(arguments[0], value, where, remarks)
    if origin in (Union, UnionType):
        inner = [a for a in arguments if a is not type(None)]
        fitting = [a for a in inner if isinstance(value, dict) == _is_model(a)] or inner
        return _fold_value(fitting[0], value, where, remarks)
    if _is_model(annotation) and isinstance(value, dict):
        return fold_keys(annotation, value, f"{where}.", remarks)
    if origin in (tuple, list) and isinstance(value, list):
        return [_fold_value(arguments[0], item, f"{where}[{i}]", remarks) for i, item in enumerate(value)]
    return value


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, SpecModel)
