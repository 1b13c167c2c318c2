"""From how many rows on arrays make them, which take time to load and to set up."""

OF_A_TABLE = 20_000
"""So many have been made otherwise before numpy is loaded for a table."""
LAID_OUT_ALIKE = 200
"""Fewer at a time are done sooner one by one."""
