"""A sandbox, and processes in it: what an OCI runtime does, from values that say everything.

spec        what is wanted, as values: Sandbox, Container, Resources, Security, Mount, RootFs; pure
given       descriptors that a starter has, and how each program begins
sandbox     start_sandbox     sandbox_program  what a pause process does before it sleeps; pure
process     start_container, start_exec, connect_inside
container_program  what a container's process does before its program; of it: root, volume_mounts,
            system_mounts (/proc, /sys, /dev, masks), identity (ids, capabilities, seccomp, labels)
"""
