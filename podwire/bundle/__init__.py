"""One archive for a bug report: what this host is, holds and does, without its secrets. Changes nothing.

parts.py       what goes in: commands and files, each with its bounds
collecting.py  one part -> its text, or why there is none
secrets.py     what must not leave the host, and taking it out of a text
archive.py     the .tar.gz and its manifest
"""
