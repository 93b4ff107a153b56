"""What this machine has and lacks for podwire. Tries things in a namespace of its own; changes nothing.

verdict.py          Verdict: one thing that was looked at, and what to do about it
software.py         rights, libraries, tools, folders
kernel_features.py  links, queueing disciplines and nf_tables expressions the kernel knows
"""
