"""Incremental MySQL to PostgreSQL loads with AWS DMS checkpoints, orchestrated by Dagster."""
