"""Names: the cluster's own zone, answered from the catalogue, and everything else, asked for elsewhere.

The zone:

names       domain names as bytes of messages: labels, dashed addresses, reverse names
records     a service and its slices -> what DNS says of them, small enough to be sent to processes
zone        all records, by the names that are asked for
findings    what can be found at a name
lookup      what is at a name of the zone
wire        what is at a name -> an answer's bytes, but for the query's own
messages    queries that are not plain: EDNS, wrong ones; what they are answered
answers     query bytes -> answer bytes: one look-up where it was asked before
counting    what was asked and answered, as plain numbers
metrics     the same for Prometheus, under CoreDNS's names
sockets     where it is listened
server      the loop over sockets of one process
stream      a TCP connection of it
later       what cannot be answered at once: names of others, and before the first snapshot
updates     what an agent tells the processes that answer, and its form
feed        catalogue -> updates of records, in the agent
workers     the processes that answer, from the agent's side
worker      one of them, from its own side
orphan      how long it goes on without an agent
node_dns    sockets, processes and the thread that tells them: for whoever has a catalogue
joining     an alias of ours and what others say of its end, in one answer

Everything else:

resolver           what the server asks for names that are not the zone's; short answers without records
body               the records of an answer as bytes: their TTLs, which address is first
message            questions and answers read where they lie, in wire form
cache              answers of others for as long as they hold, and a day longer if nobody answers
hosts              names that the configuration knows
upstreams          servers to ask: which, in what order, and whether they answer at all
exchange           one question at one server, over UDP or TCP
flight             one question on its way: who waits for it, where it has been asked
departures         how questions are asked: at whom, when again, when given up
probing            asks silent upstreams whether they are back
forwarder          the loop that has all questions on their way; the resolver that stands behind the server
forward_settings   what the forwarder is told
forward_figures    what forwarder and cache count, under CoreDNS's names
resolv_conf        resolv.conf as libresolv reads it
pod_resolv_conf    resolv.conf of a pod, as kubelet writes it
upstream_file      the node's resolv.conf as upstreams, followed
autopath           a pod's search list, walked here instead of by the pod
renaming           what others say of one name, told under another
outside            all of this, opened in a process that answers
pod_namespaces     which namespace a pod's address is of, by the records of the CNI plugins on this node
"""
