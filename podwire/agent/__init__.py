"""The node agent: the same plugin code, in a process that is there already.

    protocol.py     a request and an answer as bytes: what launcher and agent say to each other
    client.py       one question to an agent: for status, top and tests
    settings.py     /etc/podwire/agent.toml
    server.py       the loop: accepts, checks who it is, reads, answers late ones, never blocks
    connection.py   one caller's bytes and descriptors, until the request is whole
    jobs.py         requests at work: a bounded queue, threads, deadlines, one attachment at a time
    serving.py      one request: is it of this network namespace, and what does the plugin answer
    counters.py     what happened so far       status.py   the same as JSON
    metrics.py      the same for Prometheus, where configured       gauges.py   what there is now
    overlay.py      the overlay in a thread      services.py   services and names in one
    runner.py       the pods of this node        pods.py       with what the rest of the agent knows
    lifecycle.py    one agent a socket: sockets of its own or of systemd's, signals, idle end
    notify.py       sd_notify

The way of a request: `server` reads it whole (`@status` it answers itself), `jobs` queues it, a thread of
its pool lets `serving` call `cni_plugins.skeleton.answer`, and writes the answer to the caller. Nothing
here knows what plugins do; no state is kept that could not be read back (`cni_plugins.memory`).
"""
