"""What a kubelet is: the pods that are bound to this node, made so, and what became of them, told.

settings     [runner] of agent.toml
wanted       a Pod object -> what the node decides by; pure
actual       what there is of a pod on this node; pure
admission    may a pod begin here? pure
decide       what is wanted and what is there -> what is to be done; pure
"""
