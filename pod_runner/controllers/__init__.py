"""Deployments, replica sets, the scheduler, dead nodes: how objects follow from each other.

Decisions, each from what is known, pure:

views        pods, nodes and sets, read warily
replicas     a replica set -> pods that are to be made and to go    ranking  which go first
rollout      a deployment -> its sets' sizes    rolling  step by step    sharing  when it is resized midway
revisions    which set is which revision; undo, history, pause, restart
progress     a deployment's status and conditions    telling  how far a rollout is, in kubectl's words
fitting      which nodes a pod may be on, and why not    taints    and tolerations
topology     beside which pods it may be    usage    what nodes have left
scheduling   all that together, and which of them is best
node_life    nodes whose heartbeat has gone, and their pods    pulse  since when
tidying      what nobody wants any more: orphans, namespaces that go, old events

amounts      cores and bytes    conditions  of objects    templates  pods and sets from them
decided      what a decision writes    set_task, rollout_task, place_task, node_task  from what is known

The loop:

loop         objects change, what that touches is decided again    doing  one task of that
known        all objects, by owner, by node, by namespace
work         what is to be decided, once however often it was touched, now or later
leading      one of several copies acts    writing  nothing is written that was decided on something else
happenings   events, a few at a time
settings     what a node's owner may choose
controllers  all of it in a thread
"""
