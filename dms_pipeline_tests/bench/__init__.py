"""Measures the engine through the public DMS API, and whole runs, each figure beside its limit.

A limit is what the machine could do at best by a simpler way to the same end, measured in the same
minute: a shared machine's speed changes, the ratio of two neighbours in time hardly does.
"""
