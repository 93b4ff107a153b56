"""The command line and the node agent: where the rooms are put together.

    main.py            `podwire`: the table of commands, and the one place where errors end
    commands/          one module a command: options in, tables or JSON out
    agent/             the node agent: the plugins in a process that is there already
    lint/              what is wrong with a configuration, with line and column
    install/           executables and samples put in place, and taken away exactly
    inspection/        every object an attachment owns
    explain.py         the plan of an ADD as commands
    pod_explaining.py  all that would be done for a pod, as commands
    doctor/            what this machine has and lacks
    ipam_commands.py   `podwire ipam`
    samples/           configuration lists to begin with
    cluster/           what the commands that are kubectl's words know of a cluster
    lab/               several nodes on one machine, to try things on and to break
    demo/              a small world of namespaces to try things in

Imports every room; no room imports it.
"""
