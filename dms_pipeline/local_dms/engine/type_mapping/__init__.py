"""MySQL column types on PostgreSQL: the type created there and the value written into it."""
