"""conformance.fast: times beside another folder of plugins, in the same run; beyond the specification.

times.py   ADD, DEL, CHECK and VERSION, in turns with the other folder's plugin of the same type
"""
