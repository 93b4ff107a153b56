"""Pods from namespaces and cgroups, and a cluster of nodes that keep each other's wanted state.

    cni/         a runtime as libcni is one: lists, plugins by exec, cached results
    kernel/      system calls, mounts, cgroups, capabilities, seccomp: what linuxnet is for networks
    container/   a sandbox and processes in it, from values that say everything (`spec`)
    images/      OCI images, unpacked; root file systems; volumes
    manifests/   YAML as users have it -> Kubernetes objects that are judged field by field
    supervisor/  one process for each pod: starts it, restarts it, probes it, answers for it
    node/        what a kubelet is: pods of the store that are bound to this node, made so
    cluster/     the objects in a store, and watching them
    controllers/ deployments, replica sets, the scheduler, dead nodes

Imports cni_spec, linuxnet, cluster_store and service_proxy; never cni_plugins, which it meets by exec.
"""
