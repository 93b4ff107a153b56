"""What a kubelet is: the pods that are bound to this node, made so, and what became of them, told.

settings     [runner] of agent.toml

What is wanted, and what is there (pure):
wanted       a Pod object -> what the node decides by
actual       what there is of a pod on this node
admission    may a pod begin here?
decide       both -> what is to be done
statuses     what a supervisor tells -> an object's status, and what a person hears of it
node_object  the node itself as an object
service_variables  what pods are told of services

The loop:
node         takes what has happened (`messages`), decides, has it done
known        what is wanted and what is here, as of now; pods: one that is here
parts        the threads beside it:
following    the store's objects
static       a folder of manifests, without a store
supervisors  conversations with all of them
starting     what takes a moment
reports      what is told to the store, and never lost; telling: each of it
heartbeat    this node's sign of life

Folders:
orders       orders, written whole
by_hand      pods that a person makes
removing     all of one pod
collecting   all that no living pod owns
stats        what pods use
reporting    the node as JSON
"""
