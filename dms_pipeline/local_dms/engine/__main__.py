"""Starts the engine's process; what it does stands in `process.py`."""

import gc
import importlib
import sys

if __name__ == "__main__":
    # What imports make stays. To look for cycles in it takes an eighth of the start; the process
    # turns it on again.
    gc.disable()
    process = importlib.import_module("dms_pipeline.local_dms.engine.process")
    sys.exit(process.main())
