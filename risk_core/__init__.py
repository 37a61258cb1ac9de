"""Plimsoll's mathematics and its fold: pure functions and small classes without I/O."""
