"""Every error this package raises on purpose.

A message names the object, the state it is in, what was needed and what to do. The command line
prints it as it is, without a traceback; Dagster shows it as the failure of the step.

    DmsPipelineError
    ├── ConfigError            a file or setting is wrong; repeating does not help, edit it
    ├── StackError             the local stack cannot be started, or is not running
    ├── PreflightError         the world is not ready for a run; nothing was created
    ├── SourceError            MySQL/MariaDB refused, is unreachable, or holds what we cannot read
    │   ├── SourceUnavailableError  it is away or busy; repeating later may help
    │   └── BinlogError        the binary log is missing, purged, or in a form we do not decode
    ├── TargetError            PostgreSQL refused or is unreachable
    │   └── TargetUnavailableError  it is away or busy; repeating later may help
    ├── AwsError               an AWS API refused a call or answered something unexpected
    │   └── RoleError          DMS cannot use a role of the account; repeating helps if it is new
    └── LoadError              a replication task ended without loading what it should have
"""


class DmsPipelineError(Exception):
    """Base of all errors whose message is written for the person who runs the pipeline."""


class ConfigError(DmsPipelineError):
    """A file or setting is wrong; the message names the file and the line or path inside it."""


class StackError(DmsPipelineError):
    """The local stack cannot be started, or is not running."""


class PreflightError(DmsPipelineError):
    """Something needed for a run is missing; nothing that costs money was created."""


class SourceError(DmsPipelineError):
    """The source database refused, is unreachable, or holds what cannot be read."""


class SourceUnavailableError(SourceError):
    """The connection to the source broke or cannot be made; it may be back later."""


class BinlogError(SourceError):
    """The binary log is missing, purged, or in a form that is not decoded."""


class TargetError(DmsPipelineError):
    """The target database refused or is unreachable."""


class TargetUnavailableError(TargetError):
    """The connection to the target broke or cannot be made, or others are in the way."""


class AwsError(DmsPipelineError):
    """An AWS API refused a call or answered something unexpected."""


class RoleError(AwsError):
    """DMS cannot use an IAM role that it needs: there is none, or it is some seconds old."""


class LoadError(DmsPipelineError):
    """A replication task ended without loading what it should have."""
