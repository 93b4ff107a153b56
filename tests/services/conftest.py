"""A site for each source, made once by each process of pytest; and the table of what was shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.behaviours import MARK, behaviour_of
from tests.services.site import Site
from tests.services.sites import SOURCES, make_site


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}(group): what a case shows of services")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell the process that writes the table what each case shows."""
    for item in items:
        behaviour = behaviour_of(item)
        if behaviour is not None:
            item.user_properties.append((MARK, tuple(behaviour)))


@pytest.fixture(scope="session", params=SOURCES)
def site_of_source(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp(f"site-{request.param}")
    with make_site(request.param, folder) as site:
        yield site


@pytest.fixture
def site(site_of_source: Site) -> Iterator[Site]:
    """Give a case its site, and take back what it has made there."""
    yield site_of_source
    site_of_source.clear()


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def version(request: pytest.FixtureRequest) -> int:
    """Return the family of a case."""
    number: int = request.param
    return number
