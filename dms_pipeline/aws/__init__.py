"""Typed AWS clients: only here is boto3 imported; responses become frozen values at once."""
