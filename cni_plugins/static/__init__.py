"""static: the addresses that the configuration or the runtime names. Nothing is kept, nothing compared.

config.py its keys, plan.py the addresses they make, plugin.py the verbs. Imported by the registry only.
"""
