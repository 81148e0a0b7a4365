"""The errors of this package, each with a sentence, a remedy and an exit code."""

from __future__ import annotations

EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "the output can't be written; else unexpected, a fault of this program, and `--debug` shows the traceback",
    2: "wrong command line",
    3: "pending: the workers or the address are not available yet",
    4: "not exposed: the job, port or worker has no address outside the cluster",
    5: "values refused, or a values file that can't be read",
    6: "name refused",
    7: "a release of this name exists already",
    8: "no job of this name",
    9: "node port taken",
    10: "node port outside the cluster's range",
    11: "out of time: the release stays unless `--rollback-on-failure` was given",
    12: "no cluster answers, or the kubeconfig names none",
    13: "no rights",
    14: "login refused or expired",
    15: "Helm is missing or doesn't run",
    16: "kubectl is missing or doesn't run",
    17: "chart not found or broken",
    18: "refused by Kubernetes (admission, quota, invalid object)",
    19: "namespace missing",
    20: "another operation on this release, or the deletion of its last run or its namespace, is still going on",
    21: "local port taken, or not allowed",
    22: "the forward to a worker broke and could not be made again",
    23: "an address does not answer, the wrong worker does, or none can be checked",
    24: "the Twister2 job failed",
    25: "the Twister2 job was killed",
    26: "nobody can tell how the Twister2 job ended, or it can't end any more",
    129: "hung up: the terminal was closed (SIGHUP)",
    130: "interrupted (Ctrl-C)",
    143: "terminated (SIGTERM)",
}
"""Every exit code of the command line and its meaning; docs/wrapper.md has the same table."""


def sentence(text: str) -> str:
    """Return `text` with a full stop at its end; a text of several lines ends with a list and stays as it is."""
    text = text.rstrip()
    ended = not text or "\n" in text.lstrip() or text.rstrip("`'\")").endswith((".", "!", "?", ":"))
    return text if ended else f"{text}."


class JobError(Exception):
    """Base of all errors of this package.

    Attributes:
        message: What went wrong, at which object or values path, and why, in one sentence.
        hint: What to do about it; may be empty.
        exit_code: Exit code of the command line, a key of `EXIT_CODES`.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep the sentence and the remedy, and add the full stop that a message of another program may lack."""
        self.message = sentence(message)
        self.hint = sentence(hint)
        lines = "\n" in self.message or self.hint.startswith("\n")
        super().__init__(("\n" if lines else " ").join(filter(None, (self.message, self.hint.lstrip()))))


class UsageError(JobError):
    """The command line or the arguments of a call make no sense."""

    exit_code = 2


class PendingError(JobError):
    """The workers or the address are not available yet."""

    exit_code = 3


class NotExposedError(JobError):
    """The job, the port or the worker has no address outside the cluster."""

    exit_code = 4


class ValuesError(JobError):
    """The chart refuses the values, or a values file can't be read."""

    exit_code = 5


class NameRefusedError(JobError):
    """The job's name can't be the name of its Services."""

    exit_code = 6


class JobExistsError(JobError):
    """A release of this name exists already."""

    exit_code = 7


class JobNotFoundError(JobError):
    """There is no job of this name."""

    exit_code = 8


class PortTakenError(JobError):
    """Another Service of the cluster has the node port."""

    exit_code = 9


class PortRangeError(JobError):
    """The node port is outside the range of the cluster."""

    exit_code = 10


class OutOfTimeError(JobError):
    """The workers were not ready in time."""

    exit_code = 11


class NoClusterError(JobError):
    """No cluster answers, or the kubeconfig names none."""

    exit_code = 12


class NoRightsError(JobError):
    """The user lacks a right in the cluster."""

    exit_code = 13


class LoginError(JobError):
    """The cluster refuses the login, or it has expired."""

    exit_code = 14


class HelmMissingError(JobError):
    """Helm is missing or doesn't run."""

    exit_code = 15


class KubectlMissingError(JobError):
    """The kubectl command is missing or doesn't run."""

    exit_code = 16


class ChartError(JobError):
    """The chart is not found or broken."""

    exit_code = 17


class RefusedError(JobError):
    """Kubernetes refuses an object: admission, quota, or an invalid field."""

    exit_code = 18


class NamespaceMissingError(JobError):
    """The namespace doesn't exist."""

    exit_code = 19


class BusyError(JobError):
    """Another operation on the release, or the deletion of its last run, is still going on."""

    exit_code = 20


class LocalPortError(JobError):
    """A port of this machine is taken, or this user may not open it."""

    exit_code = 21


class ForwardLostError(JobError):
    """The forward to a worker broke and could not be made again."""

    exit_code = 22


class UnansweredError(JobError):
    """An address does not answer, the wrong worker does, or none can be checked."""

    exit_code = 23


class JobFailedError(JobError):
    """The Twister2 job failed."""

    exit_code = 24


class JobKilledError(JobError):
    """The Twister2 job was killed."""

    exit_code = 25


class JobLostError(JobError):
    """The Twister2 job can't end any more, or it is not known how it ended."""

    exit_code = 26
