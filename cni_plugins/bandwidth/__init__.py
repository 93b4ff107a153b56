"""bandwidth: limit what a container receives and sends.

config.py its keys, plan.py what an ADD does, plugin.py the verbs. Imported by the registry only.
"""
