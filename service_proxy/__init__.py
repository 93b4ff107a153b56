"""Services: a stable address and a name for what pods offer, whatever happens to the pods.

model            services, endpoints, nodes: the values everything here speaks of
sources/         where they come from: a folder of files, a store, an API server; slices from pods
"""
