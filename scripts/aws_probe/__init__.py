"""Asks AWS DMS what its documentation leaves open: see docs/least-privilege.md and questions.py."""
