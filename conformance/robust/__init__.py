"""conformance.robust: what a plugin does when all goes wrong; beyond the specification.

sanity.py        an answer that is none of a crash: at most one document, no traceback, no signal
leavings.py      what was there before, and whether it is so again
no_json.py       stdin that is no JSON object, or a strange one, or a very large one
wrong_values.py  values of other types than the profile's, and hostile earlier results
environment.py   hostile names, paths and CNI_ARGS
streams.py       stdin, stdout and stderr that are closed or full
killing.py       a call that is killed
kills.py         SIGKILL in the middle of ADD and DEL
disks.py         state folders that are full or read-only
crowds.py        many calls at once, and many rounds one after another
"""
