"""The data plane: one process per task, from MySQL snapshot and binary log to PostgreSQL."""
