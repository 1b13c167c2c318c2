"""What a person can do about what AWS refuses, and about an AWS that cannot be reached. Pure.

AWS's own message says what is wrong, mostly; nothing here repeats it. The codes are those of
https://docs.aws.amazon.com/dms/latest/APIReference/CommonErrors.html and of the operations.
"""

import re

from botocore import exceptions as sdk

EXPIRED = ("ExpiredToken", "ExpiredTokenException")
# DMS's word for a role of its own that it cannot use. What AWS denies the caller is _DENIED.
ROLE_DENIED = "AccessDeniedFault"

_DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError")
_ACTION = re.compile(r"not authorized to perform: ([\w:*-]+)(?: on resource: (\S+))?")
_RENEW = "Renew the AWS credentials of this process, for example with `aws sso login`"
_NETWORK = (
    "Correct subnet_group and security_groups under instance: in pipeline.yaml "
    "(DMS_SUBNET_GROUP and DMS_SECURITY_GROUPS where it has none), or the subnet group itself"
)
_SECRET_KEY = (
    "Allow kms:Decrypt on the secret's key to this identity, in IAM and in the key's policy"
)
_HERE = "in this account and region"

_REMEDIES: dict[str, str] = {
    code: remedy
    for codes, remedy in (
        (EXPIRED, _RENEW),
        (
            ("InvalidClientTokenId", "UnrecognizedClientException", "MissingAuthenticationToken"),
            "Look with `aws sts get-caller-identity` whether AWS knows the credentials of this "
            "process, and whether AWS_DEFAULT_REGION is enabled for the account",
        ),
        (
            (
                "RequestExpired",
                "RequestTimeTooSkewed",
                "SignatureDoesNotMatch",
                "InvalidSignatureException",
            ),
            "The clock of this machine may be wrong: compare `date -u`, and let NTP set it. If it "
            "is right, the secret access key is wrong",
        ),
        (
            ("Throttling", "ThrottlingException", "RequestLimitExceeded"),
            "The account calls too often: spread the schedules of its pipelines, or look less "
            "often (DMS_POLL_INTERVAL_S). Then re-execute the run from its failure",
        ),
        (
            ("ProvisionedThroughputExceededException",),
            "Give the table more capacity, best on-demand. Then re-execute the run from its "
            "failure",
        ),
        (
            ("InternalFailure", "InternalServerError", "ServiceUnavailable"),
            "AWS itself fails: try again later; https://health.aws.amazon.com tells more",
        ),
        (
            ("ResourceQuotaExceededFault", "StorageQuotaExceededFault"),
            "Delete what is not needed (`dms-pipeline cleanup` removes what failed runs left), or "
            "have the quota of AWS DMS raised in the console of Service Quotas",
        ),
        (
            ("InsufficientResourceCapacityFault",),
            "AWS has no such instance free there now: run again later, or choose another class or "
            "availability zone (class and subnet_group under instance: in pipeline.yaml)",
        ),
        (("InvalidSubnet", "ReplicationSubnetGroupDoesNotCoverEnoughAZs"), _NETWORK),
        (
            ("KMSKeyNotAccessibleFault",),
            "The KMS key has to be there, enabled, and usable by this identity: look at its "
            "policy, or correct kms_key_id under instance: in pipeline.yaml",
        ),
        (
            (ROLE_DENIED,),
            "DMS needs the role that it names, trusted by dms.amazonaws.com; dms-vpc-role with the "
            "policy service-role/AmazonDMSVPCManagementRole. Create it, wait a minute, run again",
        ),
        (("DecryptionFailure",), _SECRET_KEY),
    )
    for code in codes
}
# What the codes mean that several operations or services have.
_NOT_FOUND: dict[tuple[str, str], str] = {
    ("CreateReplicationInstance", "ResourceNotFoundFault"): _NETWORK,
    ("GetSecretValue", "ResourceNotFoundException"): (
        f"Create the secret {_HERE}, or correct secret: in pipeline.yaml"
    ),
    ("GetSecretValue", "InvalidRequestException"): (
        "Restore the secret if it is marked for deletion, or name another one in pipeline.yaml"
    ),
    **{
        (operation, "NotFound"): (
            f"Create the topic {_HERE}, or name the right one: in pipeline.yaml "
            "(notification_topic) or in DMS_NOTIFICATION_TOPIC"
        )
        for operation in ("Publish", "ListSubscriptionsByTopic")
    },
    **{
        (operation, "ResourceNotFoundException"): (
            f"Create the table {_HERE}, or name the right one in DMS_CHECKPOINT_TABLE or "
            "DMS_METRICS_TABLE"
        )
        for operation in ("GetItem", "PutItem", "DeleteItem", "Query", "BatchWriteItem")
    },
}
_FAILURES: tuple[tuple[type[Exception], str], ...] = (
    (
        sdk.NoRegionError,
        "Set AWS_DEFAULT_REGION to where the DMS endpoints are, such as eu-central-1",
    ),
    (sdk.ProfileNotFound, "Correct AWS_PROFILE, or make the profile with `aws configure sso`"),
    (
        sdk.NoCredentialsError,
        "Give this process a role, AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (sdk.PartialCredentialsError, "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    (sdk.CredentialRetrievalError, _RENEW),
    (sdk.TokenRetrievalError, _RENEW),
    (sdk.SSOError, _RENEW),
)


def remedy_of_refusal(service: str, operation: str, *, code: str, message: str) -> str:
    """What to do about a refusal; empty where AWS's message is all there is to say."""
    if code in _DENIED:
        return _permission(service, operation, message)
    return _NOT_FOUND.get((operation, code)) or _REMEDIES.get(code, "")


def remedy_of_failure(error: sdk.BotoCoreError) -> str:
    """What to do when a call did not get as far as an answer; empty where nothing is known."""
    if isinstance(error, sdk.ConnectionError | sdk.HTTPClientError):
        if "//127.0.0.1" in str(error):
            return "The local stack does not run; start it with `dms-pipeline local up`"
        return (
            "Look whether this machine has a network, DNS and a way to AWS (proxy, VPC endpoint), "
            "and whether AWS_DEFAULT_REGION is a region of AWS"
        )
    return next((remedy for kind, remedy in _FAILURES if isinstance(error, kind)), "")


def _permission(service: str, operation: str, message: str) -> str:
    """The IAM action that is missing, by AWS's message, or else by what was called."""
    if "Access to KMS" in message:
        return _SECRET_KEY
    named = _ACTION.search(message)
    action = named.group(1) if named else f"{service}:{operation}"
    on = f" on {named.group(2)}" if named and named.group(2) else ""
    if "explicit deny" in message:
        return f"A policy denies {action}{on}; whoever administers the account has to lift that"
    return f"Allow {action}{on} in the IAM policy of the identity that this process runs as"
