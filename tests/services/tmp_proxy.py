import sys, tomllib, signal, logging
from pathlib import Path
from service_proxy.catalogue import Kind
from service_proxy.node import ServiceNode
from service_proxy.settings import ProxySettings
from service_proxy.sources.directory import DirectoryFeed
from service_proxy.sources.pod_slices import PodSlices
from service_proxy.sources.source import Source
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
body = tomllib.loads(Path(sys.argv[1]).read_text())["proxy"]
chosen = ProxySettings.model_validate(body, strict=False)
node = ServiceNode(chosen, lambda conditions: Source("folder", frozenset(Kind), [DirectoryFeed(Path(body["source"]))], [PodSlices()]))
signal.signal(signal.SIGTERM, lambda *_: node.stop())
node.run()
