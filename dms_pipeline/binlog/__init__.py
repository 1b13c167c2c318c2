"""The MySQL/MariaDB binary log as a library: positions, stream, events, row decoding."""
