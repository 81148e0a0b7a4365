"""The step that a program was asked to do when it failed: it decides what the message can be about."""

from __future__ import annotations

from enum import Enum


class Step(Enum):
    """The kinds of commands of Helm and kubectl."""

    RENDER = "helm template: it works offline, and speaks of values and charts only"
    READ = "helm history, list, get; kubectl get, logs, wait"
    APPLY = "helm install, upgrade, rollback"
    REMOVE = "helm uninstall; kubectl delete"
    WRITE = "kubectl create, patch, replace"
