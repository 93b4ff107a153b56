"""Images from archives that the tests make, from podman and containerd, and from a registry on loopback.

making.py      tars, layouts and archives, as values
registry.py    a registry on loopback
looking.py     what a folder has, and what overlayfs makes of layers
"""
