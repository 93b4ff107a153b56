"""YAML as users have it -> Kubernetes objects that are judged field by field. Pure but for reading files.

model        the base of the typed models, metadata, selectors
container    Container, Probe, EnvVar, ContainerPort, ...: typed
security     security contexts: typed
volumes      Volume, VolumeMount and where they come from: typed
scheduling   affinity, tolerations, spread: typed
pod          Pod and PodSpec: typed
workload     Deployment, ReplicaSet, ConfigMap, Namespace: typed
quantity     "500m" and "64Mi" as numbers

fields.toml  every field of Kubernetes 1.30 of these kinds: what becomes of it here
fields       that table, read
forms        names, labels, ports, addresses, ...: what texts must look like
problems     Problem, and collecting them
checking     a body against the table
judging      judge: the table, then the rules
*_rules      what fields say of each other: metadata, pod, container, security, volume, scheduling, workload,
             service; `rules` is what they are made of, `references` the rules of fieldRef
defaults     what an API server fills in
updates      judge_update: what cannot become something else

documents    a text -> values, and where in it each stands
reading      read: a text -> objects that can be applied, and problems with line and column
files        read_paths: files, folders, standard input
reference    the table as a page for people: docs/manifests.md
"""
