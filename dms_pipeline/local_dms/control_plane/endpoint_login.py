"""What the engine needs to log in at an endpoint; secrets are looked up only here, on use."""

import json
from collections.abc import Callable
from typing import Any

from dms_pipeline.local_dms.control_plane.endpoints import LOGIN_MEMBERS, kind_of, settings_of
from dms_pipeline.local_dms.control_plane.resources import Endpoint

# (region, secret id) -> the secret's text
SecretReader = Callable[[str, str], str]


def connection_settings(endpoint: Endpoint, read_secret: SecretReader) -> dict[str, Any]:
    """What the engine needs to log in; raises ValueError naming what is missing or wrong."""
    given = {**endpoint.parameters, **settings_of(endpoint.parameters)}
    if secret_id := given.get("SecretsManagerSecretId"):
        given |= _from_secret(read_secret(endpoint.region, secret_id), secret_id)
    missing = [name for name in LOGIN_MEMBERS if given.get(name) is None and name != "Port"]
    if missing:
        raise ValueError(f"endpoint {endpoint.identifier} has no {', '.join(missing)}")
    settings = {
        "host": given["ServerName"],
        "port": int(given.get("Port") or (3306 if kind_of(endpoint) == "source" else 5432)),
        "user": given["Username"],
        "password": given["Password"],
    }
    if kind_of(endpoint) == "source":
        return {"engine": given["EngineName"], **settings}
    return {**settings, "dbname": given.get("DatabaseName") or "postgres"}


def capture_settings(endpoint: Endpoint) -> dict[str, Any]:
    """What a source endpoint's extra connection attributes, ``name=value;...``, ask of a task."""
    text = endpoint.parameters.get("ExtraConnectionAttributes") or ""
    pairs = (part.partition("=") for part in text.split(";"))
    given = {name.strip().lower(): value.strip().lower() for name, _, value in pairs}
    return {"skip_partition_ddl": given.get("skiptablesuspensionforpartitionddl") == "true"}


def _from_secret(text: str, secret_id: str) -> dict[str, Any]:
    try:
        secret = json.loads(text)
        named = {
            "ServerName": secret["host"],
            "Port": int(secret["port"]),
            "Username": secret["username"],
            "Password": secret["password"],
        }
    except (ValueError, KeyError, TypeError):
        # The cause may quote the secret, so it is not chained.
        raise ValueError(
            f"secret {secret_id} must be a JSON object with host, port, username and password"
        ) from None
    if secret.get("dbname"):
        named["DatabaseName"] = secret["dbname"]
    return named
