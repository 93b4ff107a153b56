"""Services seen from outside: real clients and servers in namespaces, and a proxy that runs as a process.

`places` makes the machines, `servers` answers in them, `clients` asks, `objects` writes Services and slices
as a user would, `registries` hands them to the proxy, `proxy_process` runs it, `site` puts all together,
`behaviours` names what is shown and writes the table of it.
"""
