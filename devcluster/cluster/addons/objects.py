"""What the add-ons share: applying objects, and the objects that each of them has."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import control_plane, images, install, settings

Object = dict[str, Any]
APPLY = ("apply", "--server-side", "--force-conflicts", "-f")
PATH = "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


def apply(*objects: Object) -> None:
    """Create objects, or change them to what is written here."""
    control_plane.kubectl(*APPLY, "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def apply_kinds(name: str) -> None:
    """Make the API server know the kinds of objects that come with a part under go/."""
    control_plane.kubectl(*APPLY, str(install.programs(name) / "kinds"))
    control_plane.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=60s")


def wait(resource: str, condition: str, where: str, seconds: int) -> None:
    """Wait until an object, KIND/NAME, has a condition; raises DevclusterError with kubectl's words if it doesn't."""
    words = ("wait", resource, f"--for=condition={condition}", f"--namespace={where}")
    control_plane.kubectl(*words, f"--timeout={seconds}s", seconds=seconds + 10)


def write_image(
    image: str, programs: dict[str, Path], made_of: object, say: Callable[[str], None], on_python: bool = False
) -> Path:
    """Make an image of programs, which map where they go to where they lie; return its archive.

    `made_of` says which programs these are; another content makes another archive. Unless `on_python`, the image holds
    nothing but them.
    """
    base = images.archive(settings.PYTHON_IMAGE) if on_python else None
    archive = images.place(image, (made_of, sorted(programs), base.name if base else ""))
    if not archive.exists():
        say(f"making the image {image}")
        with tempfile.TemporaryDirectory() as folder:
            for place, program in programs.items():
                target = Path(folder) / place
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(program, target)
                target.chmod(0o755)
            images.write(image, Path(folder), archive, {"Env": [PATH]}, base)
    return archive


def namespace(name: str) -> Object:
    """Return a Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def account(name: str, where: str) -> list[Object]:
    """Return a ServiceAccount that may do everything: whatever runs here was put here by the cluster's owner."""
    api = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": where}},
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"{where}:{name}"},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": where}],
        },
    ]


def workload(kind: str, name: str, where: str, container: Object, volumes: list[Object], **more: Any) -> Object:
    """Return a Deployment or DaemonSet of one container, with the ServiceAccount of its own name."""
    labels = {"app": name}
    probe = {"periodSeconds": 1, "failureThreshold": 60, **container.pop("probe")}
    spec = {
        "serviceAccountName": name,
        "containers": [{"name": name, "imagePullPolicy": "IfNotPresent", "readinessProbe": probe, **container}],
        "volumes": volumes,
        "terminationGracePeriodSeconds": 1,
        "tolerations": TOLERATIONS,
        **more,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": where, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


# A pod goes to another node 5 s after its own is known to be dead, and not 5 minutes.
TOLERATIONS = [
    {
        "key": f"node.kubernetes.io/{what}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 5,
    }
    for what in ("not-ready", "unreachable")
]
