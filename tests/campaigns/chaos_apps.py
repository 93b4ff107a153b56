"""The applications of the chaos campaign: what a cluster's owner wants, in all the forms that leave traces.

web     a plain server without probes, which its keeper alone holds whenever nothing happens to it
db      several containers: an init container fills a volume in memory, which a server with a liveness probe
        shows; beside it one with a terminal, which somebody may be attached to
edge    a server with a port of its node and a bandwidth: at most one for each node
"""

from __future__ import annotations

from pod_runner.cluster.bodies import JsonObject

PORT = 8080
HOST_PORT = 9000
APPS = {"web": 3, "db": 2, "edge": 2}  # with the replicas that are wanted at first
MOST = {"web": 6, "db": 4, "edge": 3}  # replicas
MARK = "echo $POD_NAME >{folder}/index.html"
SERVE = "exec busybox httpd -f -p 8080 -h {folder}"
TERMINAL = "terminal"  # the container of db that has one
ENV: list[JsonObject] = [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
READY: JsonObject = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
LIVES: JsonObject = {"httpGet": {"path": "/", "port": PORT}}


def objects(app: str) -> list[JsonObject]:
    """Return what is applied for an application."""
    return [deployment(app), service(app)]


def deployment(app: str) -> JsonObject:
    """Return its deployment."""
    labels = {"app": app}
    metadata: JsonObject = {"labels": labels}
    spec: JsonObject = {"terminationGracePeriodSeconds": 1, **FORMS[app]}
    strategy: JsonObject = {}
    if app == "edge":  # a second one finds no free port on its node
        metadata["annotations"] = {"kubernetes.io/ingress-bandwidth": "100M"}
        strategy = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": app, "namespace": "default"},
        "spec": {
            "replicas": APPS[app],
            "selector": {"matchLabels": labels},
            "strategy": strategy,
            "template": {"metadata": metadata, "spec": spec},
        },
    }


def service(app: str) -> JsonObject:
    """Return its service, on a port of every node."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": app, "namespace": "default"},
        "spec": {"type": "NodePort", "selector": {"app": app}, "ports": [{"port": 80, "targetPort": PORT}]},
    }


def _container(name: str, script: str, **more: object) -> JsonObject:
    return {"name": name, "image": "host", "command": ["/bin/sh", "-c", script], "env": ENV, **more}


def _server(folder: str, *first: str, **more: object) -> JsonObject:
    script = " && ".join([*first, SERVE]).format(folder=folder)
    ports: JsonObject = {"name": "http", "containerPort": PORT}
    return _container("web", script, **{"ports": [ports], **more})


_VOLUME: JsonObject = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
_HOST_PORT: JsonObject = {"containerPort": PORT, "hostPort": HOST_PORT}
FORMS: dict[str, JsonObject] = {
    "web": {"containers": [_server("/tmp/www", "mkdir -p {folder}", MARK)]},
    "db": {
        "volumes": [{"name": "shared", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}],
        "initContainers": [_container("fill", MARK.format(folder="/shared"), **_VOLUME)],
        "containers": [
            _server("/shared", readinessProbe=READY, livenessProbe=LIVES, **_VOLUME),
            _container(TERMINAL, "while read line; do echo $line; done; sleep 1000", stdin=True, tty=True),
        ],
    },
    "edge": {
        "containers": [
            _server("/tmp/www", "mkdir -p {folder}", MARK, readinessProbe=READY, ports=[_HOST_PORT])
        ]
    },
}
