"""What Linux is asked for containers: system calls, cgroups, capabilities, seccomp.

cgroups     Cgroups: limits, statistics and the end of all processes, on v1, v2, hybrid or nowhere
"""
