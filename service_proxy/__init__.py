"""Services: a stable address and a name for what pods offer, whatever happens to the pods.

model            services, endpoints, nodes: the values everything here speaks of

objects          Kubernetes-shaped JSON -> model; service_, slice_, pod_, node_objects say how for each kind
object_members   members of a JSON object, one by one, and the sentence for a wrong one
catalogue        all there is as of now; a source's events come in, what they touch comes out
sources/         where events come from: a folder of files, a store, an API server; slices from pods

front_ends       at which addresses and ports clients reach a service
usable           which endpoints a port has: the cluster's list, this node's list
slots            which number each endpoint has, so that few change hands; Maglev's tables
backends         a service's endpoints, port by port, in their slots
wanted           a service -> what is to be in the kernel's sets and maps
decisions        all services: what depends on others and on what was before
precedence       who has what two services want
affinity_numbers numbers of ports that remember clients
"""
