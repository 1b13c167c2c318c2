"""The DMS API: protocol, resources with their life cycles, persistence, mail."""
