"""Services: a stable address and a name for what pods offer, whatever happens to the pods.

model            services, endpoints, nodes: the values everything here speaks of
dns/             names: the cluster's zone, answered by processes of their own, and all other names
"""
