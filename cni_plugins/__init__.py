"""The executables: one folder a plugin, config -> plan -> apply. Knowing one plugin is knowing all.

    skeleton.py     environment + stdin -> Answer: the verbs, the errors, the one place that prints
    standard_input.py  what a runtime writes to stdin
    plugin.py       what a plugin is, and the call it is handed
    registry.py     the plugins there are, by type
    delegate.py     plugins that a plugin runs, IPAM or whole ones, ours or foreign, by exec or in process
    interface.py    the container's end: addresses and routes, as bridge and ptp need them
    steps.py        DEL and GC: go on after a failure, report them all
    background.py    starting an agent for the next call
    whole_file.py   an attachment's small file, there whole or not at all
    memory.py        what a process keeps between requests
    journal.py      one line a request, where the configuration asks for it
    TYPE/config.py  which keys it takes       TYPE/plan.py  what an ADD does, as values
    TYPE/plugin.py  its verbs

A request's way: skeleton reads and checks everything, opens the namespaces, hands a `Call` to the plugin;
the plugin asks its IPAM, plans, applies, reads back what the kernel shows and returns a `Result`. The code
does not know whether it runs in a process of its own.
"""
