"""conformance: judge any CNI plugin and any CNI runtime, by what they do.

Outside the building: it imports nothing of this project and nothing of others but the standard library (and
pytest for its plugin), talks to a plugin by executing it alone, and looks at the kernel with `ip -j`, `nft
-j` and real packets, so that one bug cannot hide in both a plugin and its judge.

    clause.py        what a clause is: number, level, section of the specification, text, and the function
                     that judges
    catalogue.py     every clause, in the order of its number
    calls.py         a call of a plugin: environment, stdin, what came back
    forking.py       executables that a function stands for: how the self-test starts its own plugins
    profile.py       what a plugin type is (interface, chained, ipam), its configuration and what it promises
    profiles/        the profiles that ship: one JSON file per type; schema.json says what they hold
    schema.py        what of JSON Schema the suite's own schemas use
    case.py          what a clause is given: the plugin, its world, attachments and calls of its own
    leftovers.py     what a world holds, and what stays in it after a plugin's calls
    tampering.py     what others may undo behind a plugin's back: of its result, of its profile
    faults.py        every way of failing that the suite can provoke
    delegate.py      the IPAM plugin of the suite's own that interface plugins are given: it records, and
                     fails on demand
    world/           fresh namespaces, what `ip` and `nft` show in them, dumps to compare, traffic
    clauses/         the clauses of plugins, by verb
    models/          small good plugins and a small good runtime: what the self-test breaks
    mutants/         plugins that break one rule each, for the suite's own test
    running/         which clause on which plugin, in processes of their own, with a time limit
    reports/         what came of it: terminal, JSON, JUnit XML, an HTML page, a comparison
    pytest_plugin.py a pytest item per plugin and clause
    command.py       the command line; commands/ has a module per command
"""
