"""conformance.runtime: judge what executes plugins: by what plugins of the suite's own are asked.

A runtime is known by its commands alone, in a profile; plugins that record every call are put where it looks
for plugins, and each clause reads the record.

    profile.py     how a runtime is spoken to: one JSON file, or one command line
    profiles/      the profiles that ship
    recording.py   the plugin: records a call, answers as it was told to
    records.py     the recording plugins in their folder, and the record that they leave
    case.py        what a clause is given: a network to configure, commands of the runtime, the record
    starting.py    a command of the runtime as a process
    cgroups.py     a place for container managers in the machine's cgroups, taken back afterwards
    clause.py      the mark of a clause about runtimes
    clauses/       the clauses, a module a subject
    catalogue.py   all of them, in the order of their numbers
    judging.py     clauses on a runtime, each in a world of its own, to verdicts
    mutants/       the model runtime with one rule broken, for each clause

The model is conformance/models/runtime.py.
"""
