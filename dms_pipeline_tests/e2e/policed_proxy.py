"""A proxy before the local AWS that enforces an IAM policy, as AWS itself does."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dms_pipeline_tests.aws_proxy import Answer, Sent, aws_proxy
from dms_pipeline_tests.iam_policy import Policy, Question
from dms_pipeline_tests.iam_requests import Call, questions

_JSON = {"Content-Type": "application/x-amz-json-1.1"}
_XML = {"Content-Type": "text/xml"}


@dataclass(slots=True)
class PolicedProxy:
    """Carries out what the policy allows.

    Attributes:
        policy: what is allowed.
        dms: a boto3 client that reaches AWS directly, for the tags of what a call is about.
        url: where clients find it.
        asked: all that was asked, with the statement that allowed it; empty where none did.
    """

    policy: Policy
    dms: Any
    url: str = ""
    asked: list[tuple[Question, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def used(self) -> frozenset[str]:
        """The actions that were allowed."""
        return frozenset(question.action for question, sid in self.asked if sid)

    @property
    def refused(self) -> list[str]:
        return [str(question) for question, sid in self.asked if not sid]

    def answer(self, sent: Sent, passed_on: Callable[[], Answer]) -> Answer:
        call = Call.of(sent.headers, sent.body)
        for question in questions(call, self._tags):
            sid = self.policy.who_allows(question)
            with self._lock:
                self.asked.append((question, sid))
            if not sid:
                return _denial(call, question)
        return passed_on()

    def _tags(self, arn: str) -> Mapping[str, str]:
        try:
            tags = self.dms.list_tags_for_resource(ResourceArn=arn)["TagList"]
        except self.dms.exceptions.ResourceNotFoundFault:
            return {}
        return {tag["Key"]: tag["Value"] for tag in tags}


@contextmanager
def policed_proxy(endpoint_url: str, policy: Policy, dms: Any) -> Iterator[PolicedProxy]:
    """A proxy before the AWS of this address."""
    proxy = PolicedProxy(policy, dms)
    with aws_proxy(endpoint_url, proxy.answer) as proxy.url:
        yield proxy


def _denial(call: Call, question: Question) -> Answer:
    message = (
        f"User: arn:aws:sts::123456789012:assumed-role/orchestrator/run is not authorized to "
        f"perform: {question} because no identity-based policy allows it"
    )
    if call.service == "sns":
        error = f"<Error><Code>AuthorizationError</Code><Message>{message}</Message></Error>"
        return Answer(403, f"<ErrorResponse>{error}</ErrorResponse>".encode(), _XML)
    body = {"__type": "AccessDeniedException", "message": message}
    return Answer(400, json.dumps(body).encode(), _JSON)
