"""Where services come from: whatever it is, the same events of `catalogue` come out.

    source       one source: feeds that are followed in threads, the stages events pass through
    pending      what was told and not yet taken: the newest of each object
    refusals     objects that cannot be used, each for as long as it is so
    identity     which kind, which key, where in a registry
    known        what a feed has told of a kind: old news are no news

    directory    a folder of YAML and JSON files, the embedded default
    claims       which of the files that name an object is believed
    documents    a file's text -> objects
    yaml_text    the YAML that JSON could say as well, within limits

    store        objects under a prefix of a `cluster_store.store.Store` (etcd, a folder)
    object_store whoever writes them there
    kubernetes   an API server

    pod_slices   endpoint slices from pods, where no controller makes them
    pod_endpoints  what one pod is for a service
    selectors    which services select a pod, and which pods a service
    filling      addresses and ports that services were given here
    opening      a folder's source and a store's, of their parts

A feed never tells a part of what there is as if it were all; an object that has become bad says what it said
before. Imports cluster_store and what is above it in service_proxy: model, catalogue, objects.
"""
