"""The objects of a cluster in a store, and watching them.

kinds       which kinds there are, and where they live: services' kinds are where service_proxy reads them
"""
