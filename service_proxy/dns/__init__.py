"""Names of services: an authoritative server for the cluster's zone, beside whoever asks.

names       domain names as bytes of messages: labels, dashed addresses, reverse names
records     a service and its slices -> what DNS says of them, small enough to be sent to processes
zone        all records: what is at a name
wire        what is at a name -> an answer's bytes, but for the query's own
messages    queries that are not plain: EDNS, wrong ones; what they are answered
answers     query bytes -> answer bytes: one look-up where it was asked before
counting    what was asked and answered, as plain numbers
metrics     the same for Prometheus, under CoreDNS's names
sockets     where it is listened
server      the loop over sockets of one process
stream      a TCP connection of it
later       what cannot be answered at once: names of others, and before the first snapshot
feed        catalogue -> updates of records, in the agent
workers     the processes that answer, from the agent's side
worker      one of them, from its own side
"""
