"""What `podwire get`, `apply`, `logs` and their like know of a cluster; the words are kubectl's.

Which, and what of it:
    where        which cluster: a store's URL, a lab, this node's own; going into a lab
    selecting    `pods`, `deploy web db`, `svc/web`, `-l app=web`, `--field-selector` -> objects
    sought       one pod of what a person names: `web`, `deploy/web`, `svc/web`
    finding      a pod's control socket and logs: on this node, or in a lab

What is printed; pure:
    ages         "5m", "3h2m": how long ago
    pod_words    a pod's STATUS, READY and RESTARTS
    cells, tables   parts of objects; objects -> rows under kubectl's headings
    rows         rows with what `get` was asked to put beside them
    endpoints    who answers for a service
    printed      objects as JSON, YAML and names
    describing, describing_pods, outline   an object for a person, in indented lines
    allotted     services with the addresses and ports that they were given (reads the store)

What is to be:
    manifest_files  manifests that -f names, judged whole
    merging      a manifest, what was applied before, what is there -> what is to be; pure
    applying     objects of manifests written
    labelling    labels set and taken away; pure
    ending       objects deleted, and waited for
    conditions   what `wait --for` waits for; pure
    watching     changes of objects, until something holds

Inside pods:
    log_lines, log_reading   the CRI's log format, pure; logs read and followed
    terminal, pumping, streaming   our terminal; bytes carried; a program's streams and ours
    forwarding   local ports that lead to a pod's
    running      a pod of one's own for `podwire run`
    usage        what pods use

Imports pod_runner, service_proxy, cluster_store and podwire.lab; podwire.commands imports this.
"""
