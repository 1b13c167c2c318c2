"""The wildcards of table mappings: which names a pattern means."""

import re


def compile_wildcard(pattern: str) -> re.Pattern[str]:
    """DMS wildcards: ``%`` any text, ``_`` one character, ``[ab]`` and ``[a-d]`` a set."""
    parts = []
    for token in re.findall(r"\[[^\]]+\]|.", pattern, re.DOTALL):
        if token == "%":
            parts.append(".*")
        elif token == "_":
            parts.append(".")
        elif len(token) > 1:
            parts.append("[" + re.sub(r"([\\^\[])", r"\\\1", token[1:-1]) + "]")
        else:
            parts.append(re.escape(token))
    return re.compile("".join(parts), re.DOTALL)


def compile_exact(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name))


def has_wildcard(pattern: str) -> bool:
    """Whether ``%`` or a set stands in it; ``_`` alone is a plain character in most names."""
    return "%" in pattern or bool(re.search(r"\[[^\]]+\]", pattern))
