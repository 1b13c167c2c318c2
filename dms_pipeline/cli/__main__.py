"""`python -m dms_pipeline.cli`, for where the command is not on the path."""

from dms_pipeline.cli import main

main()
