"""What nodes share: records under keys, in a registry that any of them may lose for a while.

    store               the interface, and the values and errors that cross it
    opening             a store from the URL that a configuration names

    directory           one file a key; the embedded default, for one machine or a shared folder
    directory_follower  what changes in it
    folder              its files: values, notes about them, the commit under way
    folder_leases       its leases, which no clock jump ends
    folder_lock         flock with a deadline
    value_file          one value, read warily and written whole
    key_names           keys as files' names
    file_changes        inotify

    etcd                etcd v3 through its JSON gateway
    etcd_follower       its watch: resumed, compacted, silent
    etcd_gateway        its paths, tokens, errors and spelling

    http_json           requests to a server of JSON, with TLS, several endpoints and deadlines
    json_lines          an answer without end, line by line
    wire                a connection on which nothing waits beyond a point in time
    bell                ends another thread's wait
    pauses              between trials, growing
    conditions          what is not as it should be, for as long as it lasts

    kubernetes          Kubernetes objects: list, watch, write; its module says what lies below it

Everything above (the overlay's leases, services, pods) speaks `store.Store`, so that one set of tests
judges every registry. Imports nothing of this house.
"""
