"""Which cluster, namespace and programs to use: options first, then Helm's environment variables."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

from .errors import HelmMissingError, KubectlMissingError, NoClusterError

TOKEN_USER = "twister2-job-token"


def find_helm() -> str:
    """Return the path of Helm: `HELM_BIN` (set when run as a Helm plugin), else `helm` on PATH.

    Raises:
        HelmMissingError: There is none.
    """
    for candidate in (os.environ.get("HELM_BIN"), "helm"):
        if candidate and (path := shutil.which(candidate)):
            return path
    raise HelmMissingError(
        "Helm is not on PATH.", "Install it (https://helm.sh/docs/intro/install/) or name its path in HELM_BIN."
    )


def find_kubectl() -> str:
    """Return the path of kubectl: `TWISTER2_JOB_KUBECTL`, else `kubectl` on PATH.

    Raises:
        KubectlMissingError: There is none.
    """
    chosen = os.environ.get("TWISTER2_JOB_KUBECTL", "")
    if path := shutil.which(chosen or "kubectl"):
        return path
    where = f"kubectl is not at {chosen} (TWISTER2_JOB_KUBECTL)." if chosen else "kubectl is not on PATH."
    raise KubectlMissingError(
        where,
        "Install it (https://kubernetes.io/docs/tasks/tools/; on Linux also pip install 'twister2-job[kubectl]') "
        "or name its path in TWISTER2_JOB_KUBECTL.",
    )


@dataclass(frozen=True)
class Connection:
    """How to reach the cluster; empty strings mean the kubeconfig's own choice.

    Attributes:
        namespace: Kubernetes namespace.
        context: Context of the kubeconfig.
        kubeconfig: Path of a kubeconfig; empty means KUBECONFIG or ~/.kube/config.
    """

    namespace: str = field(default_factory=lambda: os.environ.get("HELM_NAMESPACE", ""))
    context: str = field(default_factory=lambda: os.environ.get("HELM_KUBECONTEXT", ""))
    kubeconfig: str = ""

    def check(self) -> None:
        """Raise NoClusterError when the named kubeconfig is no file."""
        if self.kubeconfig and not os.path.isfile(self.kubeconfig):
            raise NoClusterError(f"The kubeconfig {self.kubeconfig} doesn't exist.", "Check --kubeconfig.")

    def helm_arguments(self) -> list[str]:
        """Return the options that make Helm use this connection; Helm reads HELM_KUBE* from the environment itself."""
        arguments = []
        for option, value in (
            ("--namespace", self.namespace),
            ("--kube-context", self.context),
            ("--kubeconfig", self.kubeconfig),
        ):
            if value:
                arguments += [option, value]
        return arguments

    def kubectl_arguments(self, *, namespaced: bool = True) -> list[str]:
        """Return the options that make kubectl do what Helm does with the same options and variables."""
        environment = os.environ
        arguments = ["--namespace", self.namespace] if namespaced and self.namespace else []
        if self.context:
            arguments += ["--context", self.context]
        if self.kubeconfig and not environment.get("HELM_KUBETOKEN"):
            arguments += ["--kubeconfig", self.kubeconfig]
        for option, variable in (
            ("--server", "HELM_KUBEAPISERVER"),
            ("--certificate-authority", "HELM_KUBECAFILE"),
            ("--tls-server-name", "HELM_KUBETLS_SERVER_NAME"),
            ("--as", "HELM_KUBEASUSER"),
        ):
            if value := environment.get(variable):
                arguments += [option, value]
        for group in filter(None, environment.get("HELM_KUBEASGROUPS", "").split(",")):
            arguments += ["--as-group", group]
        if environment.get("HELM_KUBEINSECURE_SKIP_TLS_VERIFY", "").lower() in ("1", "t", "true"):
            arguments += ["--insecure-skip-tls-verify"]
        if environment.get("HELM_KUBETOKEN"):
            arguments += ["--user", TOKEN_USER]
        return arguments

    def shown_arguments(self) -> str:
        """Return the options of this connection as they belong into a command shown to the user."""
        shown = f" -n {self.namespace}" if self.namespace else ""
        if self.context:
            shown += f" --context {self.context}"
        return shown + (f" --kubeconfig {self.kubeconfig}" if self.kubeconfig else "")

    @contextlib.contextmanager
    def kubectl_environment(self) -> Iterator[dict[str, str]]:
        """Yield the variables kubectl needs on top of ours.

        kubectl takes a token only as an argument, which every user of the machine can read in the process list. So a
        token in HELM_KUBETOKEN goes into a temporary kubeconfig of mode 0600 that kubectl merges with the real one.
        """
        token = os.environ.get("HELM_KUBETOKEN")
        if not token:
            yield {}
            return
        import json
        import tempfile

        user = {"name": TOKEN_USER, "user": {"token": token}}
        config = {"apiVersion": "v1", "kind": "Config", "users": [user]}
        handle, path = tempfile.mkstemp(prefix="twister2-job-", suffix=".kubeconfig")  # mkstemp makes it 0600.
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(config, file)
            real = self.kubeconfig or os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")
            yield {"KUBECONFIG": path + os.pathsep + real}
        finally:
            os.unlink(path)
