"""The objects of a cluster in a store, and watching them.

kinds       which kinds there are, and where they live: services' kinds are where service_proxy reads them
bodies      reading an object's JSON, whatever somebody wrote there
objects     Object: a body with the store's version of it, and what names it
metadata    uids, times, generations, owner references
selectors   label selectors, kubectl's words and JSON
following   one list, then changes, for as long as one likes
store       ClusterStore: get, list, create, change, delete, follow
deleting    what a delete means: grace, dependents, namespaces
events      what a person wants to know of an object, counted
"""
