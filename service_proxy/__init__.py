"""Services: a stable address and a name for what pods offer, whatever happens to the pods.

What is known:

model            services, endpoints, nodes: the values everything here speaks of
endpoints        of a slice, by columns: many in little memory
objects          Kubernetes-shaped JSON -> these values, at the door; *_objects, object_members: each kind's
catalogue        all of them as of now, and what an event touches
sources/         where they come from: a folder, a store, an API server
allocation       ClusterIPs and NodePorts, where no API server gives them
allotment        what a service gets    ranges, number_range
claims           who has what    claims_file  in a file    wishes  who waits for it

What should be, pure:

front_ends       where clients reach a service
usable           which endpoints a port has    slots  in which slots    backends  both, for each port
wanted           one service -> entries of sets and maps
precedence       who has what several services want    affinity_numbers  of ports that remember clients
decisions        these together, for all services of a catalogue
node_entries     what the rules and sets say of the node itself
stale            what a change makes stale: flows, remembered clients
kube_proxy_config  kube-proxy's configuration file -> our settings

The loop:

settings         what a node's owner may choose
node             events come in, what they touch is decided, what differs is written
schedule, bell   when, and what wakes it
deciding         decisions as the loop asks for them
programmer       the kernel made so, in one transaction    shadow  what each service has there
forgetting       stale flows -> the connection table    connection_table  its sizes and times
figures          what is counted    memory  after a large load
reporting        what is served and how, as JSON
opening          sources, by the settings

What this process answers itself:

ports            all of it that services need
background       one thread for small listeners
health           is the proxy well?    health_ports  healthCheckNodePorts    health_http  their HTTP
localhost        NodePorts of 127.0.0.1 and ::1, carried by this process; localhost_tcp, localhost_udp
balancing        addresses of load balancers: who has which, and who announces it
dns/             names: the cluster's zone, answered by processes of their own, and all other names
"""
