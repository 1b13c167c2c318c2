"""Names in statements for the source."""


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
