"""Many methods at once on one book: a table with intervals, and a picture."""

from risk_core.suite.picture import Picture
from risk_core.suite.suite import SuiteError, SuiteRow, VarSuite, var_suite

__all__ = ["Picture", "SuiteError", "SuiteRow", "VarSuite", "var_suite"]
