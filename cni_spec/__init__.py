"""The contract: what arrives at a plugin and what leaves it. Pure: no kernel, no I/O.

    errors.py       CniError: the one exception that becomes an error object on stdout
    versions.py     the specification versions there are, and how they compare
    names.py        container ids, network names, interface names: checked strings
    addresses.py    IP addresses and networks as pydantic fields (netaddr values)
    json_input.py   bytes -> JSON, refusing what no honest caller sends
    cni_args.py     CNI_ARGS
    request.py      environment + stdin -> Request
    config.py       JSON -> typed configuration: letter case, unknown keys, strictness
    result.py       Result, and its form in every specification version
    positions.py    where in a JSON text a key or a value is
    suggestions.py  what somebody probably meant
    network_list.py configuration lists (`*.conflist`), as runtimes read them

Imports nothing of ours. Everybody may import it.
"""
