"""How this deployment reaches AWS: the account's endpoints, or the local stack's port."""

import json
from pathlib import Path
from typing import Any

from dagster_aws.utils import ResourceWithBoto3Configuration
from pydantic import Field

from dms_pipeline.aws.session import AwsAccess, new_client
from dms_pipeline.errors import StackError


class AwsSession(ResourceWithBoto3Configuration):
    """AWS with dagster-aws's usual boto3 settings; unset ones are the SDK's own defaults."""

    def access(self) -> AwsAccess:
        return AwsAccess(
            region=self.region_name,
            endpoint_url=self.endpoint_url,
            profile=self.profile_name,
            access_key_id=self.aws_access_key_id,
            secret_access_key=self.aws_secret_access_key,
            session_token=self.aws_session_token,
            verify=self.verify,
            max_attempts=self.max_attempts,
        )

    def client(self, service: str) -> Any:
        """A boto3 client for the service."""
        return new_client(service, self.access())


class LocalAwsSession(AwsSession):
    """The local stack in ``home``, looked up at use: definitions load while it is down."""

    home: str = Field(description="folder of the local stack")

    def access(self) -> AwsAccess:
        state = Path(self.home) / "stack.json"
        try:
            endpoint_url = json.loads(state.read_text(encoding="utf-8"))["endpoint_url"]
            if not isinstance(endpoint_url, str):
                raise ValueError("endpoint_url is no text")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StackError(
                f"there is no local stack in {self.home}; start it with `dms-pipeline local up`"
            ) from error
        except OSError as error:
            raise StackError(
                f"{state} cannot be read ({error.strerror}); DMS_LOCAL_HOME has to name a folder "
                "of your own"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise StackError(
                f"{state} is damaged; delete it, then `dms-pipeline local up` writes it anew"
            ) from error
        return AwsAccess(
            region="us-east-1",
            endpoint_url=endpoint_url,
            access_key_id="local",
            secret_access_key="local",
            max_attempts=3,
        )
