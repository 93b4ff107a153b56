"""What Linux is asked for containers: a process of a pod is a program of system calls.

numbers        system calls by name
program        Program: system calls with what they stand for, as bytes     starter.c   what makes them
starting       a process from a program, and what was refused               interpreter the starter in Python
listing        a program as a shell's commands (listing_state, listing_mounts); steps  a command, and why
cgroup_listing the same of a cgroup
namespaces, mounting, capabilities, seccomp (seccomp_default.json)          what programs are made of
cgroups        Cgroups: limits, statistics and the end of all processes, on v1, v2, hybrid or nowhere
cgroups_v1, cgroups_v2, cgroup_files, devices   each version, what they share, who may open which device
processes      pids that are still who they were            stats       network counters of a pod
"""
