"""Chooses the cluster, the namespace and the programs: by options, then by Helm's environment variables."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..errors import HelmMissingError, KubectlMissingError, NoClusterError
from .environment import TOKEN_USER, Inherited, of_kubectl, with_token

INSTALL_HELM = "Install it (https://helm.sh/docs/intro/install/) or name its path in HELM_BIN."


def which(name: str) -> str | None:
    """Return the path of a program, as `shutil.which` does; importing shutil takes longer than this whole module."""
    if os.name == "nt":
        import shutil

        return shutil.which(name)
    folders = [""] if os.path.dirname(name) else os.environ.get("PATH", os.defpath).split(os.pathsep)
    for path in (os.path.join(folder or os.curdir, name) for folder in folders):
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def find_helm() -> str:
    """Return the path of Helm: `HELM_BIN` (a path or a name; set by Helm for its plugins), else `helm` on PATH.

    Raises:
        HelmMissingError: There is none; if HELM_BIN names a missing one, no other is used.
    """
    chosen = os.environ.get("HELM_BIN", "")
    if path := which(chosen or "helm"):
        return path
    where = f"Helm is not at {chosen} (HELM_BIN), or is no program." if chosen else "Helm is not on PATH."
    raise HelmMissingError(where, INSTALL_HELM)


def find_kubectl() -> str:
    """Return the path of kubectl: `TWISTER2_JOB_KUBECTL`, else `kubectl` on PATH.

    Raises:
        KubectlMissingError: There is none.
    """
    chosen = os.environ.get("TWISTER2_JOB_KUBECTL", "")
    if path := which(chosen or "kubectl"):
        return path
    where = f"kubectl is not at {chosen} (TWISTER2_JOB_KUBECTL)." if chosen else "kubectl is not on PATH."
    raise KubectlMissingError(
        where,
        "Install it (https://kubernetes.io/docs/tasks/tools/; on Linux also pip install 'twister2-job[kubectl]') "
        "or name its path in TWISTER2_JOB_KUBECTL.",
    )


class Connection:
    """How to reach the cluster; empty strings mean the kubeconfig's own choice.

    Attributes:
        namespace: Kubernetes namespace.
        context: Context of the kubeconfig.
        kubeconfig: Path of a kubeconfig; empty means KUBECONFIG or ~/.kube/config.
    """

    def __init__(self, namespace: str | None = None, context: str | None = None, kubeconfig: str = "") -> None:
        """Choose the connection; None means HELM_NAMESPACE and HELM_KUBECONTEXT."""
        self.namespace = os.environ.get("HELM_NAMESPACE", "") if namespace is None else namespace
        self.context = os.environ.get("HELM_KUBECONTEXT", "") if context is None else context
        self.kubeconfig = kubeconfig

    @classmethod
    def chosen(cls, namespace: str, context: str, kubeconfig: str) -> Connection:
        """Return the connection for the user's options; empty ones mean the variables of `__init__`."""
        return cls(namespace or None, context or None, kubeconfig)

    def check(self) -> None:
        """Raise NoClusterError if the named kubeconfig can't be read by Helm and kubectl, or not several times."""
        named = [self.kubeconfig] if self.kubeconfig else os.environ.get("KUBECONFIG", "").split(os.pathsep)
        named = [path for path in named if path]
        if all(os.path.isfile(path) and not path.startswith(("/dev/", "/proc/")) for path in named):
            return
        from .value_files import check_kubeconfig

        check_kubeconfig(self.kubeconfig)
        # In a pod without a kubeconfig both programs use the pod's service account.
        if not any(map(os.path.exists, named)) and not os.environ.get("KUBERNETES_SERVICE_HOST"):
            raise NoClusterError(f"The kubeconfig {', '.join(named)} doesn't exist.", "Check KUBECONFIG.")

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
        """Return the options with which kubectl uses what Helm uses by these options and variables."""
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

    @contextlib.contextmanager
    def kubectl_environment(self) -> Iterator[Inherited]:
        """Yield the whole environment for kubectl, and the descriptors that it has to inherit."""
        token = os.environ.get("HELM_KUBETOKEN")
        if not token:
            yield Inherited(of_kubectl())
            return
        real = self.kubeconfig or os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")
        with with_token(token, real) as inherited:
            yield inherited
