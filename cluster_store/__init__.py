"""What nodes share: records under keys, in a registry that any of them may lose for a while.

    store          the interface, and the values and errors that cross it
    directory      one file a key; the embedded default, for one machine or a shared folder
    file_changes   inotify, for the directory
    etcd           etcd v3 through its JSON gateway
    http_json      requests to a server of JSON, with TLS, several endpoints and deadlines
    kubernetes     Kubernetes objects: list, watch, server-side apply; its module says what lies below it
    opening        a store from the URL that a configuration names

Everything above (the overlay's leases, services, pods) speaks `store.Store`, so that one set of tests
judges every registry. Imports nothing of this house.
"""
