"""What is wrong with a configuration or a manifest, told with line and column. Pure but for reading files.

findings.py   Finding, and the file it points into
keys.py       keys nobody knows, values the plugin's model refuses
chain.py      order of plugins, capabilities nobody declares, MTUs that do not fit
pools.py      pools that overlap, gateways that are not inside
linting.py    a file -> findings
manifests.py  the same for manifests of pods, deployments, services: pod_runner/manifests judges them
"""
