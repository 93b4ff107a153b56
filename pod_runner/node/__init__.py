"""What a kubelet is: the pods that are bound to this node, made so, and what became of them, told.

settings     [runner] of agent.toml
decide       what is wanted and what is there -> what is to be done; pure
"""
