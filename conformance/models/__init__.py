"""conformance.models: small good plugins that keep every clause; mutants break them, authors begin from them.

Each is one file of the standard library, run by itself.

    common_parts.py   reading a request, answering, errors: what each of them needs
    veth.py           an interface plugin: a veth pair, addresses by delegation
    label.py          a chained plugin: an nftables rule per attachment
    recording_ipam.py an IPAM plugin that records its calls and fails on demand: every interface plugin's
    delegate
"""
