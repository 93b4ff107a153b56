"""The sub-commands of `podwire`: each reads its options, calls a room, prints what came of it.

    printing.py      tables and JSON; colour only on a terminal
    failing.py       errors -> one sentence on stderr, or an error object; the exit status
    options.py       options that several commands take
    cni_session.py   one operation of `cni`, from its options to what is printed
    cni.py, schema.py, lint.py, install.py, inspect.py, explain.py, doctor.py, lab.py, image.py   one each
    conformance.py   hands its arguments to the conformance suite
    cluster_options.py   options of kubectl's words: which cluster, which namespace, which objects
    get.py, watched.py, describe.py, events.py, pod_logs.py, wait.py, top_cluster.py   what there is
    apply.py, delete.py, run.py, scale.py, rollout.py, label.py   what is to be
    cordon.py, uncordon.py, drain.py, node_marking.py   its nodes
    execute.py, attach.py, port_forward.py   inside its pods

A module is imported when its command is run, and for the list that --help prints.
"""
