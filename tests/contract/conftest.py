"""Assertions of the abstract suites explain themselves like those of test modules."""

import pytest

pytest.register_assert_rewrite(
    "tests.contract.connector_base",
    "tests.contract.connector_people",
    "tests.contract.connector",
    "tests.contract.downloads",
)


def pytest_configure(config: pytest.Config) -> None:
    """`needs`: the test is skipped for vendors whose capabilities lack one of the names."""
    config.addinivalue_line("markers", "needs(*names): capabilities without which the test is skipped")
