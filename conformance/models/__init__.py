"""conformance.models: small good plugins that keep every clause; mutants break them, authors begin from them.

Each is one file beside common_parts.py, which recording_ipam.py does without: it is started the most.

    common_parts.py   reading a request, answering, errors: what each of them needs
    result_forms.py   a result in the newest form, and as each CNI version prints it
    telling.py        what a model prints
    kernel.py         what they see and do by ip(8)
    installing.py     a model as an executable in a folder
    veth.py           an interface plugin: a veth pair, addresses by delegation
    label.py          a chained plugin: an nftables rule per attachment
    recording_ipam.py an IPAM plugin that records its calls and fails on demand: every interface plugin's
    delegate
"""
