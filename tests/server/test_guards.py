import pytest

from nmt.server.errors import Refused
from nmt.server.guards import Rate


def test_a_client_gets_its_rate_and_is_told_when_there_is_more() -> None:
    rate = Rate(6)
    for _ in range(6):
        rate.check("192.0.2.1", 0.0)
    with pytest.raises(Refused) as refused:
        rate.check("192.0.2.1", 1.0)
    assert (refused.value.status, refused.value.wait) == (429, 10)
    rate.check("192.0.2.2", 1.0)
    rate.check("192.0.2.1", 10.5)
    with pytest.raises(Refused):
        rate.check("192.0.2.1", 10.5)


def test_a_client_that_goes_on_asking_is_not_punished() -> None:
    rate = Rate(60)
    for _ in range(60):
        rate.check("client", 0.0)
    for tenth in range(9):
        with pytest.raises(Refused):
            rate.check("client", tenth / 10)
    rate.check("client", 1.1)


def test_a_network_of_ipv6_is_one_client() -> None:
    rate = Rate(1)
    rate.check("2001:db8::1", 0.0)
    with pytest.raises(Refused):
        rate.check("2001:db8::2", 0.0)
    rate.check("2001:db8:0:1::1", 0.0)


def test_it_knows_a_bounded_number_of_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.server.guards._MOST_CLIENTS", 2)
    rate = Rate(1)
    for client in "abc":
        rate.check(client, 0.0)
    with pytest.raises(Refused):
        rate.check("c", 0.0)
    rate.check("a", 0.0)
