"""One process for each pod: starts it, restarts it, probes it, answers for it; it outlives the agent.

What it is told and what it tells:
order       what a supervisor is told: the pod, its configuration, the node; a file
status      what a pod has become, as the supervisor says it; a file, and a stream; pure
state       what a later supervisor must know, in a file    specs  what runs in a container, in files
writing     when state and status are written               lock   who supervises a folder

Its process:
spawner     the agent's end of the process that forks supervisors    forking  that process
entry       a supervisor's life     keeping     who only waits, and forks workers    reaping   its forks
resting     when a worker may go    supervision   the parts put together    descriptors  what forks keep open
loop        one thread that waits for everything    tasks   what takes long, in processes of their own

A pod:
machine     the steps from order to running    stopping   the steps to its end
joining, networking   its network, by plugins
shared      what its parts share               measuring  what it uses

A container:
running     its starts and ends         beginning  before its start    fetching  its image
assembling  all that a start needs      tending    hooks and probes of a run    ending  its end by signals
restarts    whether and when it runs again; pure
plan, environment, fields, limits, security   a Pod -> SandboxSpec and ContainerSpecs; pure
probes, prober   when to ask, and what answers mean      asking, checks, commands, hooks, tls_request   asking
recording   what it writes, and who is attached: streams, logs, attaching

Asking a supervisor:
client      what the agent and the command line call    lines   JSON lines with descriptors
control     the socket, and who may ask                 answering   what is answered
"""
