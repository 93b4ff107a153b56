"""What the overlay plugin takes: flannel's keys, and `waitTimeout`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema, field_validator

from cni_spec.config import NetworkConfig
from cni_spec.json_input import JsonObject

SUBNET_FILE = Path("/run/flannel/subnet.env")
DATA_DIR = Path("/var/lib/cni/flannel")
OWN_TYPES = ("overlay", "flannel")
OWN_KEYS = ("name", "ipam")  # of a delegate: this plugin's to set


def says(section: JsonObject, key: str) -> bool:
    """Tell whether a section has a key, in any letter case, with a value."""
    return any(name.casefold() == key.casefold() and value is not None for name, value in section.items())


def look(section: JsonObject, key: str) -> object:
    """Return the value of a key in any letter case, None if there is none."""
    return next((value for name, value in section.items() if name.casefold() == key.casefold()), None)


def _parse_path(text: object) -> Path:
    if isinstance(text, Path):
        return text
    if not isinstance(text, str) or not text.startswith("/") or "\0" in text:
        raise ValueError("expected an absolute path")
    return Path(text)


AbsolutePath = Annotated[
    Path,
    PlainValidator(_parse_path),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string"}),
]


class OverlayConfig(NetworkConfig):
    """What the network's author asked of the overlay plugin; `delegate` is for bridge or ptp to judge."""

    reports_unknown_keys: ClassVar[bool] = True

    subnet_file: AbsolutePath = Field(SUBNET_FILE, alias="subnetFile")
    data_dir: AbsolutePath = Field(DATA_DIR, alias="dataDir")
    delegate: JsonObject = Field({})
    runtime_config: JsonObject = Field({}, alias="runtimeConfig")
    wait_timeout: Annotated[float, Field(ge=0, le=60)] = Field(10, alias="waitTimeout")  # s, for the lease

    @field_validator("subnet_file", "data_dir", mode="before")
    @classmethod
    def _is_given(cls, text: object, info: ValidationInfo) -> object:
        """Take "" for a key that is not given, as Go writes one."""
        return cls.model_fields[str(info.field_name)].default if text == "" else text

    @field_validator("delegate")
    @classmethod
    def _leaves_the_rest_to_us(cls, delegate: JsonObject) -> JsonObject:
        for key in OWN_KEYS:
            if says(delegate, key):
                hint = "give ipam beside delegate" if key == "ipam" else "it is the network's"
                raise ValueError(f"delegate.{key} is not for the configuration to say: {hint}")
        if look(delegate, "type") in OWN_TYPES:
            raise ValueError("expected the type of another plugin, this one cannot be its own delegate")
        return delegate

    @property
    def delegate_type(self) -> object:
        """Return which plugin makes the interface, as the configuration says it."""
        return "bridge" if not says(self.delegate, "type") else look(self.delegate, "type")
