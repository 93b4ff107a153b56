"""`podwire schema`: the JSON schema of a plugin's configuration, for editors and validators."""

from __future__ import annotations

from typing import Annotated

import typer

from cni_spec.errors import INVALID_CONFIG, CniError
from podwire.commands.options import OutputOption
from podwire.commands.printing import Output, print_json, print_table

DIALECT = "https://json-schema.org/draft/2020-12/schema"  # what pydantic writes

app = typer.Typer()


@app.command()
def schema(
    plugin_type: Annotated[
        str, typer.Argument(metavar="TYPE", help="A plugin; without it, all are listed.")
    ] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Print the JSON schema of a plugin's configuration: its keys, their types, limits and defaults."""
    from cni_plugins.registry import PLUGIN_TYPES, load_plugin

    if not plugin_type:
        _print_types(PLUGIN_TYPES, output)
        return
    if plugin_type not in PLUGIN_TYPES:
        raise CniError(
            INVALID_CONFIG, f'there is no plugin "{plugin_type}"; there are {", ".join(PLUGIN_TYPES)}'
        )
    config = load_plugin(plugin_type).config
    print_json({"$schema": DIALECT} | config.model_json_schema(by_alias=True) | {"title": plugin_type})


def _print_types(types: tuple[str, ...], output: Output) -> None:
    if output is Output.JSON:
        print_json(types)
    else:
        print_table(("TYPE",), [(one,) for one in types])
