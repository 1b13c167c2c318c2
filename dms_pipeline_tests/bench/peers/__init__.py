"""Others that do the same work, as contenders of the bench's figures.

Each has an environment of its own. What they are told comes as JSON on the standard input of a
program in `programs`, which the environment's own Python runs: nothing of ours is imported there.
"""
