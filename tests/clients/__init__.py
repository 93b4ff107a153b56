"""Real clients on podwire's plugins: containerd's ctr and CRI, podman, libcni; chains mixed with others'.

    harness.py          what every test here starts from, and `nothing_left`, what it ends with
    cri.py, cri_messages.py   the kubelet's interface of containerd, spoken without a kubelet
    podman.py           a podman of its own inside a world
    libcni.py           libcni behind cnitool's command line, built from libcni_tool/main.go

Each test has a world (podwire/demo/world.py) of its own. PODWIRE_CLIENT_PLUGINS=/usr/lib/cni runs the same
tests with another project's plugins, which shows what they leave behind.
"""
