"""What each service has in the kernel, kept small."""

from __future__ import annotations

from linuxnet.service_entries import Front, Pick, cluster_ip, hairpin
from service_proxy.model import ServiceName
from service_proxy.shadow import Shadow

WEB, API = ServiceName("default", "web"), ServiceName("default", "api")
VIP, POD = bytes((10, 96, 0, 1)), bytes((10, 244, 0, 1))
FRONT = Front.at(VIP, "tcp", 80)


def test_what_was_put_in_comes_out() -> None:
    shadow = Shadow()
    wanted = [cluster_ip(VIP), FRONT.leads(Pick(2).verdict), *FRONT.slots([(POD, 80), (POD, 81)])]
    difference = shadow.replace(WEB, wanted)
    assert set(difference.added) == set(wanted) == set(shadow.entries(WEB)) == set(shadow.iterate())
    assert difference.removed == [] and not shadow.replace(WEB, wanted)


def test_only_what_differs_is_told() -> None:
    shadow = Shadow()
    shadow.replace(WEB, [cluster_ip(VIP), *FRONT.slots([(POD, 80)])])
    difference = shadow.replace(WEB, [cluster_ip(VIP), *FRONT.slots([(POD, 81)])])
    assert difference.added == FRONT.slots([(POD, 81)])
    assert difference.removed == FRONT.slots([(POD, 80)])


def test_what_two_services_want_goes_with_the_last() -> None:
    shadow = Shadow()
    assert shadow.replace(WEB, [hairpin(POD)]).added == [hairpin(POD)]
    assert not shadow.replace(API, [hairpin(POD)])
    assert not shadow.replace(WEB, [])
    assert shadow.replace(API, []).removed == [hairpin(POD)]
    assert len(shadow) == 0
