"""Assertions of the abstract suites explain themselves like those of test modules."""

import pytest

pytest.register_assert_rewrite("tests.contract.connector_base", "tests.contract.connector_suite")
