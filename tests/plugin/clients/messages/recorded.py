# ruff: noqa: E501 - the texts are as they were printed.
"""What Helm 3.17.2, 3.19.0, 4.1.4, 4.3.1 and kubectl 1.37.2 printed against Kubernetes 1.37.2, as recorded.

Those marked `source` are put together after the sources of Kubernetes 1.37.2 and Helm: nothing here can be made to say
them. Each entry: the rule, who speaks (`helm` or `kubectl`), in which step, the error's class, words of it, the text.
"""

from twister2_job.clients.messages import Step
from twister2_job.errors import (
    BusyError,
    JobExistsError,
    JobNotFoundError,
    LoginError,
    NamespaceMissingError,
    NoClusterError,
    NoRightsError,
    OutOfTimeError,
    PortRangeError,
    PortTakenError,
    RefusedError,
)

READ, APPLY, REMOVE, WRITE = Step.READ, Step.APPLY, Step.REMOVE, Step.WRITE
H, K = "helm", "kubectl"
INSTALL, UPGRADE = "Error: INSTALLATION FAILED: ", "Error: UPGRADE FAILED: "
BUSY = "another operation (install/upgrade/rollback) is in progress"
GOING = "is forbidden: unable to create new content in namespace data because it is being terminated"
OWNERS = (
    'conflict occurred while applying object data/a /v1, Kind=ConfigMap: Apply failed with 1 conflict: conflict with "kubectl-patch" '
    "using v1: .data.k && conflict occurred while applying object data/b /v1, Kind=ConfigMap: Apply failed with 2 conflicts: "
    'conflicts with "kubectl-patch" using v1:\n- .data.k\nconflicts with "other-op" using v1:\n- .data.l'
)
FOREIGN = (
    'nable to continue with install: ConfigMap "a" in namespace "data" exists and cannot be imported into the current release: '
    'invalid ownership metadata; annotation validation error: key "meta.helm.sh/release-name" must equal "j2": current value is "j"'
)
APPLYING = "server-side apply failed for object data/a /v1, Kind=Service: "
TAKEN = 'Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 31111: provided port is already allocated'
CLASS = 'Service "a" is invalid: spec.loadBalancerClass: Invalid value: "b": may not change once set'
HEALTH = 'Service "a" is invalid: spec.healthCheckNodePort: Invalid value: 30002: field is immutable'
OUTSIDE = (
    'Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of '
    "valid ports is 30000-32767"
)
QUOTA = 'services "a" is forbidden: exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=4, limited: services.nodeports=0'
POLICY = (
    "is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no config maps; release: not found"
)
SILENT = (
    'Internal error occurred: failed calling webhook "silent.example.com": failed to call webhook: Post "https://nothing.data.svc:443/'
    '?timeout=3s": service "nothing" not found'
)
LEVEL = (
    'pods "a" is forbidden: violates PodSecurity "restricted:latest": privileged (container "a" must not set securityContext.'
    'privileged=true), runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true)'
)
KIND = (
    'unable to build kubernetes objects from release manifest: resource mapping not found for name: "a" namespace: "" from "": no '
    'matches for kind "HTTPRoute" in version "gateway.networking.k8s.io/v1"\nensure CRDs are installed first'
)
LACKS = 'secrets is forbidden: User "eve" cannot list resource "secrets" in API group ""'
STDIN = 'Error from server ({0}): error when creating "STDIN": {1}'
ROLE = (
    'roles.rbac.authorization.k8s.io "a" is forbidden: user "eve" (groups=["system:authenticated"]) is attempting to grant RBAC '
    'permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["*"]}'
)
LOGGED = 'level=ERROR msg="release name check failed" error="cannot reuse a name that is still in use"\n'

ANSWERS = [
    # Releases.
    ("name is used", H, APPLY, JobExistsError, [], INSTALL + "cannot re-use a name that is still in use"),
    ("name is used", H, APPLY, JobExistsError, [],
     LOGGED + INSTALL + "release name check failed: cannot reuse a name that is still in use"),
    ("release exists", H, APPLY, JobExistsError, [], INSTALL + "release: already exists"),
    ("release exists", H, APPLY, JobExistsError, [], 'Error: secrets "sh.helm.release.v1.job.v1" already exists'),
    ("revision exists", H, APPLY, BusyError, ["meanwhile"], UPGRADE + "release: already exists"),
    ("release is busy", H, APPLY, BusyError, ["in progress"], UPGRADE + BUSY),
    ("release is busy", H, REMOVE, BusyError, ["in progress"], "Error: " + BUSY),
    ("release is missing", H, READ, JobNotFoundError, [], "Error: release: not found"),
    ("release is missing", H, REMOVE, JobNotFoundError, [], "Error: uninstall: Release not loaded: j: release: not found"),
    ("release was removed meanwhile", H, REMOVE, JobNotFoundError, [],
     "Error: uninstallation completed with 1 error(s): uninstall: Failed to purge the release: release: not found"),
    ("release is missing", H, APPLY, JobNotFoundError, [], UPGRADE + '"j" has no deployed releases'),
    ("release is gone", H, REMOVE, JobNotFoundError, [], 'Error: the release named "kk" is already deleted'),
    ("revision is missing", H, APPLY, JobNotFoundError, ["revision 7"], "Error: release has no 7 version"),
    ("time is out", H, APPLY, OutOfTimeError, ["Job/data/a not ready"],
     INSTALL + "failed pre-install: resource Job/data/a not ready. status: InProgress, message: Job in progress\ncontext deadline exceeded"),
    ("time is out", H, APPLY, OutOfTimeError, [],
     INSTALL + "failed pre-install: 1 error occurred:\n\t* timed out waiting for the condition\n\n"),
    ("time is out", K, READ, OutOfTimeError, ["services/x2"], "error: timed out waiting for the condition on services/x2"),
    ("object of others", H, APPLY, RefusedError, ["ConfigMap a in namespace data"], f"{INSTALL}U{FOREIGN}"),
    ("object of others", H, APPLY, RefusedError, ["ConfigMap a in namespace data"], f"Error: u{FOREIGN}"),
    ("object exists", H, APPLY, RefusedError, ["services/a exists"], INSTALL + 'services "a" already exists'),  # source
    # Rights.
    ("right", H, READ, NoRightsError, ["eve may not list secrets in namespace data."],
     f'Error: query: failed to query with labels: {LACKS} in the namespace "data"'),
    ("right", H, READ, NoRightsError, ["eve may not list secrets in this cluster as a whole."],
     f"Error: list: failed to list: {LACKS} at the cluster scope"),
    ("right", H, REMOVE, NoRightsError, ["in namespace data."],
     f'Error: uninstall: Release not loaded: z: query: failed to query with labels: {LACKS} in the namespace "data"'),
    ("right", H, APPLY, NoRightsError, ["eve may not get configmaps in namespace data."],
     INSTALL + 'unable to continue with install: could not get information about the resource ConfigMap "a" in namespace "data": '
     'configmaps "a" is forbidden: User "eve" cannot get resource "configmaps" in API group "" in the namespace "data"'),
    ("right", K, READ, NoRightsError, ["get statefulsets of apps in namespace data."],
     'Error from server (Forbidden): statefulsets.apps "a" is forbidden: User "eve" cannot get resource "statefulsets" in API '
     'group "apps" in the namespace "data"'),
    ("right", K, READ, NoRightsError, ["list nodes in this cluster as a whole."],
     'Error from server (Forbidden): nodes is forbidden: User "eve" cannot list resource "nodes" in API group "" at the cluster scope'),
    ("right", K, WRITE, NoRightsError, ["create services in namespace data."],
     STDIN.format("Forbidden", 'services is forbidden: User "eve" cannot create resource "services" in API group "" in the namespace "data"')),
    ("right to a path", K, READ, NoRightsError, ["get /nope"],
     'Error from server (Forbidden): forbidden: User "eve" cannot get path "/nope"'),
    ("right to give rights", H, APPLY, NoRightsError, ["need rights"], INSTALL + ROLE),
    ("right to own", K, WRITE, NoRightsError, ["ownerReference"],  # source
     'Error from server (Forbidden): configmaps "a" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a '
     "resource you can't set finalizers on: , <nil>"),
    ("nobody logged in", H, READ, LoginError, ["anonymous"],
     'Error: list: failed to list: secrets is forbidden: User "system:anonymous" cannot list resource "secrets" in API group "" in '
     'the namespace "default"'),
    ("forbidden without a reason", H, APPLY, NoRightsError, ["403"],
     INSTALL + "could not get apiVersions from Kubernetes: could not get apiVersions from Kubernetes: unknown"),
    ("login refused", K, READ, LoginError, [], "error: You must be logged in to the server (Unauthorized)"),
    ("login refused", K, WRITE, LoginError, [], "error: failed to create configmap: Unauthorized"),
    ("no credentials", K, READ, LoginError, ["no credentials"], "error: EOF"),
    # What the namespace and the cluster allow.
    ("namespace is missing", H, APPLY, NamespaceMissingError, ["Namespace data doesn't"],
     INSTALL + 'create: failed to create: namespaces "data" not found'),
    ("namespace is missing", K, WRITE, NamespaceMissingError, ["Namespace data doesn't"],
     STDIN.format("NotFound", 'namespaces "data" not found')),
    ("namespace is going", H, APPLY, BusyError, ["Namespace data is being deleted"],
     f'{INSTALL}create: failed to create: secrets "sh.helm.release.v1.t.v1" {GOING}'),
    ("namespace is going", H, APPLY, BusyError, ["Namespace data is being deleted"],
     f'{UPGRADE}create: failed to create: secrets "sh.helm.release.v1.t.v2" {GOING}'),
    ("namespace is going", K, WRITE, BusyError, ["Namespace data is being deleted"], f'error: failed to create configmap: configmaps "z" {GOING}'),
    ("object is going", K, WRITE, BusyError, ["Namespace data is still being deleted"],
     'Error from server (AlreadyExists): object is being deleted: namespaces "data" already exists'),
    ("object is going", H, APPLY, BusyError, ["services/a of an earlier run"],  # source
     INSTALL + 'object is being deleted: services "a" already exists'),
    ("load balancer is fixed", H, APPLY, RefusedError, ["of Service a can't change its loadBalancerClass"],  # source
     f'{UPGRADE}cannot patch "a" with kind Service: {CLASS}'),
    ("load balancer is fixed", H, APPLY, RefusedError, ["of Service a can't change its loadBalancerClass"],  # source
     f"{UPGRADE}{APPLYING}{CLASS}"),
    ("load balancer is fixed", H, APPLY, RefusedError, ["of Service a can't change its healthCheckNodePort"],  # source
     f'{UPGRADE}cannot patch "a" with kind Service: {HEALTH}'),
    ("quota", H, APPLY, RefusedError, ["Quota q", "used services.nodeports=4, allowed services.nodeports=0"],
     f"{INSTALL}2 errors occurred:\n\t* {QUOTA}\n\t* {QUOTA}"),
    ("quota", H, APPLY, RefusedError, ["Quota q"], f"{INSTALL}{APPLYING}{QUOTA}\n{APPLYING}{QUOTA}"),
    ("quota without a request", H, APPLY, RefusedError, ["Quota q2", "limits.cpu"],
     INSTALL + 'pods "a" is forbidden: failed quota: q2: must specify limits.cpu for: a'),
    ("pod security", H, APPLY, RefusedError, ["restricted:latest", "privileged=true"], INSTALL + LEVEL),
    ("policy forbids", H, APPLY, RefusedError, ["policy p", "no config maps; release: not found"], f'{INSTALL}configmaps "a" {POLICY}'),
    ("policy forbids", K, WRITE, RefusedError, ["policy p"], f'error: failed to create configmap: configmaps "w2" {POLICY}'),
    ("policy", H, APPLY, RefusedError, ["policy p"],  # source
     f"{INSTALL}ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no"),
    ("webhook", H, APPLY, RefusedError, ["v.example.com", "image not found; unauthorized"],  # source
     INSTALL + 'admission webhook "v.example.com" denied the request: image not found; unauthorized, release: not found'),
    ("webhook", K, WRITE, RefusedError, ["v.example.com", "no reason"],  # source
     STDIN.format("Forbidden", 'admission webhook "v.example.com" denied the request without explanation')),
    ("webhook is silent", H, APPLY, RefusedError, ["silent.example.com", 'service "nothing" not found'], f"{INSTALL}{APPLYING}{SILENT}"),
    ("webhook is silent", H, APPLY, RefusedError, ["v.example.com", "connection refused"],  # source
     INSTALL + 'Internal error occurred: failed calling webhook "v.example.com": failed to call webhook: Post '
     '"https://v.data.svc:443/x?timeout=10s": dial tcp 10.96.0.9:443: connect: connection refused'),
    ("forbidden", H, APPLY, RefusedError, ["pods a", "no PriorityClass"],  # source
     INSTALL + 'pods "a" is forbidden: no PriorityClass with name high was found'),
    # Objects.
    ("owner of fields", H, APPLY, RefusedError, ["ConfigMap a: .data.k belongs to kubectl-patch", "ConfigMap b: .data.l belongs to other-op"],
     UPGRADE + OWNERS),
    ("port taken", H, APPLY, PortTakenError, ["31111"], f"{INSTALL}1 error occurred:\n\t* {TAKEN}"),
    ("port taken", H, APPLY, PortTakenError, ["31111"], INSTALL + APPLYING + TAKEN),
    ("port taken", K, WRITE, PortTakenError, ["31111"], STDIN.format("Invalid", TAKEN)),
    ("port taken", K, WRITE, PortTakenError, ["31111"], f"The {TAKEN}"),
    ("port outside", H, APPLY, PortRangeError, ["80", "30000-32767"], INSTALL + OUTSIDE),
    ("health check port", K, WRITE, PortTakenError, ["31234"],
     STDIN.format("InternalError", "Internal error occurred: failed to allocate requested HealthCheck NodePort 31234: provided port is already allocated")),
    ("no port left", H, APPLY, RefusedError, ["no free node port"],  # source
     INSTALL + "Internal error occurred: failed to allocate a nodePort: range is full"),
    ("invalid", H, APPLY, RefusedError, ["StatefulSet a: spec.serviceName", "field is immutable"],
     UPGRADE + 'cannot patch "a" with kind StatefulSet: StatefulSet.apps "a" is invalid: spec.serviceName: Invalid value: "azz": field is immutable'),
    ("invalid", H, APPLY, RefusedError, ["several objects", "ConfigMap B_: metadata.name", "Service a: [spec.ports[0].port"],
     INSTALL + '2 errors occurred:\n\t* ConfigMap "B_" is invalid: metadata.name: Invalid value: "B_": no\n\t* Service "a" is invalid: '
     "[spec.ports[0].port: Invalid value: 99999: must be between 1 and 65535, inclusive]"),
    ("malformed object", H, APPLY, RefusedError, ["data/a", ".foo: field not declared"],
     INSTALL + "failed to create typed patch object (data/a; /v1, Kind=ConfigMap): errors:\n  .data: expected map, got &{[1]}\n"
     "  .foo: field not declared in schema"),
    ("malformed object", K, WRITE, RefusedError, ["ConfigMap", 'unknown field "nope"'],
     STDIN.format("BadRequest", 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "nope"')),
    ("unknown kind", H, APPLY, RefusedError, ["HTTPRoute", "gateway.networking.k8s.io/v1"], INSTALL + KIND),
    ("unknown kind", K, READ, RefusedError, ["nothings"], 'error: the server doesn\'t have a resource type "nothings"'),
    ("too large", H, APPLY, RefusedError, ["too large"], INSTALL + "create: failed to create: Request entity too large: limit is 3145728"),
    ("changed meanwhile", K, WRITE, BusyError, ["configmaps/a"],
     'Error from server (Conflict): Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your '
     "changes to the latest version and try again"),
    ("object is missing", K, WRITE, RefusedError, ["configmaps/nocm"], 'Error from server (NotFound): configmaps "nocm" not found'),
    ("object is missing", K, READ, RefusedError, ["pods/nopod"],
     'error: error from server (NotFound): pods "nopod" not found in namespace "data"'),
    ("fault of the cluster", K, READ, NoClusterError, ["request timed out"], "Error from server (InternalError): etcdserver: request timed out"),
    ("fault of the cluster", H, APPLY, NoClusterError, ["leader changed"], INSTALL + "create: failed to create: etcdserver: leader changed"),  # source
    ("program crashes", H, READ, None, ["Helm doesn't run"], "panic: runtime error: index out of range"),
    ("program says nothing", K, READ, None, ["kubectl doesn't run"], ""),
    ("program is of another version", K, READ, None, ["unknown flag"], "error: unknown flag: --nope\nSee 'kubectl get --help' for usage."),
]  # fmt: skip
