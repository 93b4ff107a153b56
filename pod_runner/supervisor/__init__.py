"""One process for each pod: starts it, restarts it, probes it, answers for it; it outlives the agent.

order       what a supervisor is told: the pod, its configuration, the node; a file
status      what a pod has become, as the supervisor says it; a file, and a stream
lines       a conversation over a Unix socket: a JSON object a line, descriptors beside it
client      asking a supervisor: what the agent and the command line call
foreseeing  what would be done for a pod, as commands
keeping     a process that only waits, and forks a worker (`supervision`) when there is something to do
resting     when a worker may go
spawner     what the agent has forks supervisors, quickly and small
"""
