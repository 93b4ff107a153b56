"""Putting the plugins where runtimes look for them, and taking them away again.

launchers.py   what the executable of a plugin is: launcher.c, built with the package, or python_launcher.py
units.py       units for systemd              compiled.py   byte code, so that no start compiles
actions.py     what can be done to a file, as values that print
planning.py    what an install and an uninstall would do: reads, changes nothing
manifest.py    what was installed, so that it can be taken away exactly
"""
