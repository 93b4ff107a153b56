"""What this machine has and lacks for podwire, what stands in its way, and what mends that. Changes nothing.

verdict.py           Verdict: one thing that was looked at, and what to do about it
checkup.py           everything, in order; a look that may not look is a verdict, too
host_files.py        the host's files, below a root that tests choose      cluster.py   networks and ports
software.py          rights, libraries, tools, folders    installation.py   launchers and the agent
kernel_features.py   what the kernel knows, tried in a namespace of its own: features.py, overlay_features.py
pod_features.py      what the runner needs: cgroup controllers, user namespaces, libseccomp
tunnel_ports.py      the tunnel's UDP ports, tried by setting a device up
sysctls.py           forwarding, reverse path, router advertisements
limits.py            what fills up, and the clock
firewalls.py         chains that drop what is forwarded, firewalld, ufw, Docker
network_services.py  systemd-networkd, udev's .link files, NetworkManager
leftovers.py         other networks' devices, cni0, the order of conflists
overlaps.py          the cluster's networks against the host's routes
packet_sizes.py      MTUs, and wrong checksums    rootless.py   whether an ordinary user can have a lab
"""
