"""YAML as users have it -> Kubernetes objects that are judged field by field. Pure but for reading files.

model        the base of the typed models, metadata, selectors
container    Container, Probe, EnvVar, ContainerPort, ...: typed
security     security contexts: typed
volumes      Volume, VolumeMount and where they come from: typed
scheduling   affinity, tolerations, spread: typed
pod          Pod and PodSpec: typed
workload     Deployment, ReplicaSet, ConfigMap, Namespace: typed
quantity     "500m" and "64Mi" as numbers
"""
