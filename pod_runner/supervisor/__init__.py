"""One process for each pod: starts it, restarts it, probes it, answers for it; it outlives the agent.

order       what a supervisor is told: the pod, its configuration, the node; a file
status      what a pod has become, as the supervisor says it; a file, and a stream
"""
