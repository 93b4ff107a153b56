"""Names: the cluster's own zone, answered from the catalogue, and everything else, asked for elsewhere.

resolver           what the server asks for names that are not the zone's; short answers without records
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
pod_namespaces     which namespace a pod's address is of, by the records of the CNI plugins on this node
"""
