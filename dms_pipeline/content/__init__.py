"""Compares the content of a table on both servers, by digests that both compute alike."""
