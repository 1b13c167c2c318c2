"""The answers with which AWS DMS refuses a request, as exceptions an operation may raise.

`code` is what boto3 shows as `Error.Code`; some of the codes (InvalidParameter...) are not in the
service model, although AWS answers with them.
"""


class Fault(Exception):
    """A refusal that goes to the caller as HTTP 400 and leaves every object as it was."""

    def __init__(self, code: str, message: str, **members: str) -> None:
        """Keep `members` as the modelled members beside the message, as `resourceArn` is."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.members = members


def not_found(message: str) -> Fault:
    return Fault("ResourceNotFoundFault", message)


def invalid_state(message: str) -> Fault:
    return Fault("InvalidResourceStateFault", message)


def already_exists(message: str, arn: str) -> Fault:
    return Fault("ResourceAlreadyExistsFault", message, resourceArn=arn)


def invalid_value(message: str) -> Fault:
    return Fault("InvalidParameterValueException", message)


def invalid_combination(message: str) -> Fault:
    return Fault("InvalidParameterCombinationException", message)


def not_emulated(what: str) -> Fault:
    """What AWS would do and the local DMS does not."""
    return Fault("UnknownOperationException", f"The local DMS does not emulate {what}")
