"""Records for tests: short ways to make one, and hypothesis' ways to make any."""

from __future__ import annotations

from hypothesis import strategies as st

from overlay.flannel_form import lease_key
from overlay.place import Place, Tunnel, Uplink
from overlay.record import WIRE_VERSION, Mode, NodeRecord, Offer
from overlay.subnet import BITS, Subnet, format_address, parse_subnet

NETWORKS = (parse_subnet("10.244.0.0/16"), parse_subnet("fd00:244::/48"))
TUNNEL_MTU = {(Mode.VXLAN, 4): 1450, (Mode.VXLAN, 6): 1430, (Mode.GPE, 4): 1444, (Mode.GPE, 6): 1444}


def mac_of(number: int, outer: int = 4) -> str:
    """Return the MAC of a node's VTEP."""
    return bytes([0x02, outer, *number.to_bytes(4, "big")]).hex(":")


def classic(number: int, *, port: int = 8472, vni: int = 1, mac6: bool = False) -> Offer:
    """Return a node's classic offer."""
    return Offer(Mode.VXLAN, port, vni, mac_of(number), mac_of(number, 6) if mac6 else "")


def node(number: int, *subnets: str, created: int = 0, **fields: object) -> NodeRecord:
    """Return node `number`'s record; without subnets it has 10.244.`number`.0/24."""
    mine = tuple(map(parse_subnet, subnets or (f"10.244.{number % 256}.0/24",)))
    made = {
        "public4": f"192.0.{2 + number // 250}.{1 + number % 250}", "offers": (classic(number),),
        "node": f"node-{number}", "boot": "b1", "mtu": 1500, "wire_version": WIRE_VERSION,
    } | fields  # fmt: skip
    return NodeRecord(str(made.pop("key", lease_key(mine))), mine, created=created or number, **made)  # type: ignore[arg-type]


def place(*subnets: str, outers: tuple[int, ...] = (4,), **fields: object) -> Place:
    """Return a node's place with a classic tunnel and a GPE one over each outer family."""
    uplinks = {
        4: Uplink("eth0", 2, "192.0.2.254", 1500),
        6: Uplink("eth0", 2, "2001:db8::fe", 1500),
    }
    tunnels = {
        (mode, outer, port, 1): Tunnel(mode, outer, name, index + outer, TUNNEL_MTU[mode, outer], 1, port)
        for mode, port, name, index in (
            (Mode.VXLAN, 8472, "flannel.1", 10),
            (Mode.GPE, 4790, "podwire.1", 20),
        )
        for outer in outers
    }
    made: dict[str, object] = {"networks": NETWORKS, "tunnels": tunnels} | fields
    own = tuple(map(parse_subnet, subnets or ("10.244.254.0/24",)))
    reached = {outer: uplinks[outer] for outer in outers}
    return Place(lease_key(own), "self", own, uplinks=reached, **made)  # type: ignore[arg-type]


@st.composite
def subnets(draw: st.DrawFn, version: int = 0) -> Subnet:
    """Make any network that may be a node's."""
    family = version or draw(st.sampled_from((4, 6)))
    length = draw(st.integers(8, BITS[family] - 2))
    value = draw(st.integers(0, (1 << length) - 1))
    return Subnet(family, value << BITS[family] - length, length)


def publics4() -> st.SearchStrategy[str]:
    """Make underlay addresses of IPv4: one station's."""
    usable = st.integers(1 << 24, (127 << 24) - 1) | st.integers(128 << 24, (224 << 24) - 1)
    return usable.map(lambda number: format_address(4, number))


def publics6() -> st.SearchStrategy[str]:
    """Make underlay addresses of IPv6."""
    return st.integers(2, (0xFF << 120) - 1).map(lambda number: format_address(6, number))


def macs() -> st.SearchStrategy[str]:
    """Make MACs of one station."""
    return st.binary(min_size=6, max_size=6).map(lambda b: bytes([b[0] & 0xFC | 2, *b[1:]]).hex(":"))


def words() -> st.SearchStrategy[str]:
    """Make what a name may be."""
    printable = st.characters(categories=("L", "N", "P", "S"))
    return st.text(printable, max_size=40).filter(str.isprintable)


@st.composite
def records(draw: st.DrawFn) -> NodeRecord:
    """Make any record that a node may publish: a flanneld's (`wire_version` 0) or ours."""
    has4, has6 = draw(st.sampled_from(((True, False), (False, True), (True, True))))
    mine = [draw(subnets(version)) for version, has in ((4, has4), (6, has6)) if has]
    vnis = st.integers(1, (1 << 24) - 1)
    vtep = (draw(macs()) if has4 else "", draw(macs()) if has6 else "")
    classic_offer = Offer(Mode.VXLAN, 0, draw(vnis), *vtep)
    is_flannels = draw(st.booleans())
    if is_flannels:
        offers: tuple[Offer, ...] = (draw(st.sampled_from((classic_offer, Offer(Mode.DIRECT)))),)
    else:
        ports = st.integers(1, 65535)
        made = [
            Offer(Mode.VXLAN, draw(ports), classic_offer.vni, *vtep),
            Offer(Mode.GPE, draw(ports), draw(vnis)),
            Offer(Mode.DIRECT),
            Offer(Mode.VXLAN, draw(ports), draw(vnis), *vtep),
        ]
        offers = tuple(draw(st.lists(st.sampled_from(made), min_size=1, max_size=4, unique=True)))
    ours = {
        "node": draw(words().map(lambda word: word or "n")), "boot": draw(words()), "zone": draw(words()),
        "mtu": draw(st.sampled_from((0, 576, 1280, 1500, 65535))), "wire_version": WIRE_VERSION,
    }  # fmt: skip
    return NodeRecord(
        lease_key(mine), tuple(mine), draw(publics4()) if has4 else "", draw(publics6()) if has6 else "",
        offers, created=draw(st.integers(0, 1 << 60)), **({} if is_flannels else ours),  # type: ignore[arg-type]
    )  # fmt: skip
