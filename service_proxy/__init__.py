"""Services: a stable address and a name for what pods offer, whatever happens to the pods.

model            services, endpoints, nodes: the values everything here speaks of
allocation       ClusterIPs and NodePorts, where no API server gives them
allotment        what a service gets    number_range  which number    claims, claims_file  who has it
balancing        addresses of load balancers: who has which, and who announces it
background       one thread for small listeners
health           is the proxy well?    health_ports  healthCheckNodePorts    health_http  their HTTP
localhost        NodePorts of 127.0.0.1 and ::1, carried by this process; localhost_tcp, localhost_udp
"""
