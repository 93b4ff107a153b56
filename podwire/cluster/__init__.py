"""What `podwire get`, `apply`, `logs` and their like know of a cluster.

    where        which cluster: a store's URL, a lab, this node's own; going into a lab
    selecting    `pods/web`, `deploy web db`, `-l app=web`, `--field-selector` -> objects
    sought       one object of a command that takes one: `svc/web` -> a pod of it
    ages         "5m", "3h2m": how long ago, as kubectl says it
    pod_words    a pod's STATUS, READY and RESTARTS, as kubectl says them
    tables       objects -> rows under kubectl's headings; wide ones
    bodies       objects as JSON, YAML and names
    allotted     ClusterIPs and NodePorts that were given to services
    describing, describing_pods   an object for a person, with its events
    outline      the indented lines of that
    merging      a manifest, what was applied before and what is there -> what is to be; pure
    applying     objects of manifests written
    ending       objects deleted, and waited for
    rollouts     revisions of deployments: status, history, undo; pure
    conditions   what `wait --for` waits for
    watching     changes of objects, until something holds
    finding      a pod's control socket and logs: on this node, or in a lab
    log_lines, log_reading   the CRI's log format; logs read and followed
    streaming    a terminal, raw, and a program's streams; its exit code is ours
    forwarding   local ports that lead to a pod's
    usage        what pods and nodes use

`tables`, `describing`, `merging`, `rollouts` and what they are made of are pure. Imports pod_runner,
service_proxy and cluster_store, and podwire.lab where a lab is meant; podwire.commands imports this.
"""
