"""`job`: the objects of a Twister2 job. Names, labels and environment are what Twister2's own classes look for."""

import json

import pytest

from tests.conftest import CHART, select

JOB = ("--set", "job.class=org.example.Worker,job.jar.url=http://files.example.com/a.jar")
GROUPS = ("-f", str(CHART / "ci" / "job-groups-values.yaml"))
SKIP = "--skip-schema-validation"


def pod(template, name, *arguments):
    return template.one("StatefulSet", name, *arguments)["spec"]["template"]


def environment(container):
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def plan(template, *arguments):
    return json.loads(template.one("ConfigMap", "job-package", *arguments)["data"]["plan.json"])


def test_only_a_job_has_master_rights_and_package(helm_template):
    extra = {(one["kind"], one["metadata"]["name"]) for one in helm_template.objects(*JOB)}
    extra -= {(one["kind"], one["metadata"]["name"]) for one in helm_template.objects()}
    assert extra == {
        ("StatefulSet", "job-jm"), ("Service", "job-jm"), ("ServiceAccount", "job-jm"), ("NetworkPolicy", "job-jm"),
        ("Role", "job-jm"), ("RoleBinding", "job-jm"), ("Role", "job"), ("RoleBinding", "job"),
        ("ConfigMap", "job"), ("ConfigMap", "job-package"),
    }  # fmt: skip
    commanded = helm_template.objects("--set", "command={x}")
    assert not {"Role", "RoleBinding"} & {one["kind"] for one in commanded}
    assert len(select(commanded, "StatefulSet")) == 1


def test_the_worker_is_started_as_twister2_starts_it(helm_template):
    spec = pod(helm_template, "job-1", *GROUPS)["spec"]
    (container,) = spec["containers"]
    assert container["name"] == "twister2-container-0" and container["workingDir"] == "/twister2"
    assert container["command"] == ["/bin/bash"] and container["args"][0] == "-c"
    assert container["args"][1].endswith("exec ./init.sh")
    found = environment(container)
    assert found.pop("POD_NAME") == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert found.pop("HOST_IP") == {"fieldRef": {"fieldPath": "status.hostIP"}}
    assert found.pop("HOST_NAME") == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    assert found == {
        "JOB_ID": "job", "CONTAINER_NAME": "twister2-container-0", "WORKER_PORT": "9000",
        "CLASS_TO_RUN": "edu.iu.dsc.tws.rsched.schedulers.k8s.worker.K8sWorkerStarter",
        "JVM_MEMORY_MB": "1638", "POD_MEMORY_VOLUME": "/twister2-memory-dir", "JOB_ARCHIVE_DIRECTORY": "twister2-job",
        "JOB_PACKAGE_FILENAME": "job.tar.gz", "LOGGER_PROPERTIES_FILE": "common/logger.properties",
        "UPLOAD_METHOD": "client-to-pods", "JOB_SUBMISSION_TIME": "1795444794598", "RESTORE_JOB": "false",
        "ENCODED_NODE_INFO_LIST": "", "TWISTER2_JOB_ADDRESSES_FILE": "/run/twister2-job/addresses.json",
    }  # fmt: skip
    assert container["resources"] == {"requests": {"cpu": "1", "memory": "2048Mi"}}
    assert not {"readinessProbe", "livenessProbe", "startupProbe"} & container.keys()
    volumes = {one["name"]: one for one in spec["volumes"]}
    assert volumes["twister2-memory-dir"]["emptyDir"] == {"medium": "Memory"}
    assert volumes["twister2-volatile-dir"]["emptyDir"] == {"sizeLimit": "1536Mi"}
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    assert mounts == {"/twister2-memory-dir", "/twister2-volatile", "/tmp", "/run/twister2-job"}


def test_the_job_master(helm_template):
    found = helm_template.one("StatefulSet", "job-jm", *GROUPS)
    assert found["metadata"]["labels"]["t2-mss"] == "job" and found["spec"]["replicas"] == 1
    template = found["spec"]["template"]
    assert {"t2-mp": "job", "t2-job": "job", "app": "twister2"}.items() <= template["metadata"]["labels"].items()
    assert "t2-wp" not in template["metadata"]["labels"]
    (container,) = template["spec"]["containers"]
    assert container["name"] == "twister2-job-master-0"
    assert container["ports"] == [{"name": "job-master-port", "containerPort": 12000, "protocol": "TCP"}]
    assert environment(container)["CLASS_TO_RUN"].endswith(".k8s.master.JobMasterStarter")
    assert environment(container)["JVM_MEMORY_MB"] == "256"
    assert container["resources"] == {"requests": {"cpu": "0.1", "memory": "384Mi"}}
    service = helm_template.one("Service", "job-jm", *GROUPS)["spec"]
    assert service["clusterIP"] == "None" and service["publishNotReadyAddresses"] is True
    assert service["selector"].items() <= template["metadata"]["labels"].items()


def test_no_pod_of_a_job_is_rolled_or_asked_to_end(helm_template):
    for found in select(helm_template.objects(*GROUPS), "StatefulSet"):
        assert found["spec"]["updateStrategy"] == {"type": "OnDelete"}
        assert found["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 0


def rules(template, name, *arguments):
    found = template.one("Role", name, *arguments)["rules"]
    return {
        (resource, verb, *rule.get("resourceNames", ()))
        for rule in found
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_rights_are_the_least_that_are_enough(helm_template):
    assert rules(helm_template, "job", *JOB) == {
        ("configmaps", "list"), ("configmaps", "patch", "job"), ("pods", "watch"),
    }  # fmt: skip
    master = {
        ("configmaps", "list"), ("configmaps", "watch"), ("configmaps", "patch", "job"), ("statefulsets", "list"),
    }  # fmt: skip
    assert rules(helm_template, "job-jm", *JOB) == master
    assert rules(helm_template, "job-jm", *GROUPS) == master | {("statefulsets/scale", "patch", "job-1")}
    for name, account in (("job", "job"), ("job-jm", "job-jm")):
        binding = helm_template.one("RoleBinding", name, *JOB)
        assert (binding["roleRef"]["name"], binding["subjects"][0]["name"]) == (name, account)
        pods = pod(helm_template, {"job": "job-0", "job-jm": "job-jm"}[name], *JOB)["spec"]
        assert pods["serviceAccountName"] == account and pods["automountServiceAccountToken"] is True
    named = (*JOB, "--set", "serviceAccount.create=false,serviceAccount.name=mine")
    assert helm_template.one("RoleBinding", "job", *named)["subjects"][0]["name"] == "mine"


def test_the_configmap_of_a_run_is_gone_while_suspended(helm_template):
    run = helm_template.one("ConfigMap", "job", *JOB)
    assert run["data"] and run["metadata"]["labels"]["t2-job"] == "job"
    suspended = helm_template.objects(*JOB, "--set", "suspend=true")
    assert not select(suspended, "ConfigMap", "job")
    assert [one["spec"]["replicas"] for one in select(suspended, "StatefulSet")] == [0, 0]
    labelled = [one for one in helm_template.objects(*JOB) if one["metadata"].get("labels", {}).get("t2-job")]
    assert [one["metadata"]["name"] for one in labelled if one["kind"] == "ConfigMap"] == ["job"]


def test_the_plan_says_what_the_values_say(helm_template):
    found = plan(helm_template, *GROUPS)
    group = {"cpu": 0.1, "ram": 128, "disk": 0, "scalable": False}
    assert found["groups"] == [
        {**group, "instances": 1, "workersPerPod": 2},
        {"cpu": 1, "ram": 2048, "disk": 1.5, "instances": 2, "workersPerPod": 1, "scalable": True},
    ]
    assert found["config"] == {
        "org.example.size": 1000, "org.example.rate": 0.00001, "org.example.verify": True,
        "org.example.hosts": ["a", "b"], "org.example.name": "5",
    }  # fmt: skip
    assert (found["job"], found["jobName"], found["namespace"]) == ("job", "Twister2 says hello", "default")
    assert (found["class"], found["driver"]) == ("org.example.Worker", "org.example.Driver")
    assert (found["workerPort"], found["masterPort"], found["additionalPorts"]) == (9000, 12000, ["ui"])
    assert (found["source"], len(found["sha256"])) == ("jar", 64)
    without = plan(helm_template, *JOB)
    assert not any(one["scalable"] for one in without["groups"]) and without["jobName"] == "job"


def test_where_the_package_comes_from(helm_template):
    def init(*arguments, name="job-0"):
        spec = pod(helm_template, name, *arguments)["spec"]
        first = spec["initContainers"][0]
        assert first["name"] == "job-package" and first["terminationMessagePolicy"] == "FallbackToLogsOnError"
        assert first["image"] == spec["containers"][0]["image"]
        return first, spec

    first, _ = init(*JOB)
    assert environment(first) == {"TWISTER2_JOB_URL": "http://files.example.com/a.jar"}
    first, spec = init(*GROUPS)
    assert environment(first) == {"TWISTER2_JOB_PIECES": "/run/twister2-job-pieces"}
    (pieces,) = (one["projected"]["sources"] for one in spec["volumes"] if one["name"] == "twister2-job-pieces")
    assert [(one["configMap"]["name"], one["configMap"]["items"][0]["path"]) for one in pieces] == [
        ("job-jar-0", "0000"), ("job-jar-1", "0001"),
    ]  # fmt: skip
    assert "--publish" not in first["command"] and "--publish" in init(*GROUPS, name="job-jm")[0]["command"]
    package = ("-f", str(CHART / "ci" / "job-package-values.yaml"))
    secret = {"secretKeyRef": {"name": "where-the-package-is", "key": "address"}}
    assert environment(init(*package)[0])["TWISTER2_JOB_URL"] == secret
    own = ("--set-json", 'initContainers=[{"name":"mine","image":"x"}]')
    names = [one["name"] for one in pod(helm_template, "job-0", *JOB, *own)["spec"]["initContainers"]]
    assert names == ["job-package", "mine"]


@pytest.mark.parametrize("block", ["nodePort", "perWorker"])
def test_the_worker_port_is_exposed_only_when_there_is_no_other(helm_template, block):
    def exposed(*arguments):
        found = helm_template.objects(*JOB, "--set", f"{block}.enabled=true", *arguments)
        services = [one for one in select(found, "Service") if "twister2-job/exposure" in one["metadata"]["labels"]]
        assert services
        return [port["name"] for port in services[0]["spec"]["ports"]]

    ui = ("--set", "additionalPorts[0].name=ui,additionalPorts[1].name=api")
    assert exposed() == ["worker"]
    assert exposed(*ui) == ["ui", "api"]
    assert exposed(*ui, "--set", f"{block}.ports={{worker}}") == ["worker"]


def test_the_policy_closes_the_job_master_to_all_but_workers(helm_template):
    (rule,) = helm_template.one("NetworkPolicy", "job-jm", *GROUPS)["spec"]["ingress"]
    assert rule["ports"] == [{"port": 12000, "protocol": "TCP"}]
    (peer,) = rule["from"]
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "worker"
    off = helm_template.objects(*JOB, "--set", "networkPolicy.enabled=false")
    assert not select(off, "NetworkPolicy")


def test_helm_test_connects_to_no_port_of_a_job(helm_template):
    test = helm_template.one("Pod", "job-test", *GROUPS)
    assert json.loads(environment(test["spec"]["containers"][0])["PLAN"])["connect"] is False


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ("job.class=a.B", "job.class: the jar with this class is missing; set job.jar.url"),
        ("job.jar.url=http://a/b", "job.jar: it is set, but job.class is not"),
        ("job.driver=a.B", "job.driver: it is set, but job.class is not"),
        ("job.name=x", "job.name: it is set, but job.class is not"),
        ("job.config.a=x", "job.config: it is set, but job.class is not"),
        ("job.jar.sha256=" + "0" * 64, "job.jar.sha256: it is set, but no file is"),
        ("job.class=a,job.jar.url=http://a/b,job.jar.configMaps={x}", "job.jar.url, job.jar.configMaps: these are two"),
        ("job.class=a,job.jar.url=http://a/b,job.jar.urlSecret.name=x", "job.jar.urlSecret: these are two places"),
        ("job.class=a,job.jar.url=http://a/b,job.package.url=http://a/c", "job.package: it has a jar inside"),
        ("job.class=a,job.package.url=http://a/c", "job.class: job.package says this already"),
        ("job.package.url=http://a/c,job.config.a=1", "job.config: job.package says this already"),
        ("job.class=a,job.jar.url=https://a/b?X-Amz-Signature=1", "job.jar.url: it seems to hold a password or token"),
        ("job.class=a,job.jar.url=https://a/b?x=1&SIG=1", "job.jar.url: it seems to hold a password or token"),
        ("job.class=a,job.jar.url=https://a/b?my_api_key=1", "job.jar.url: it seems to hold a password or token"),
        ("job.class=a,job.jar.url=https://a/b?job_token=1", "name that in job.jar.urlSecret"),
        ("job.package.url=https://a/b?auth=1", "job.package.url: it seems to hold a password or token"),
        ("job.class=a,job.jar.url=https://a/b?subscription-key=1", "it seems to hold a password or token"),
        ("job.class=a,job.jar.url=https://a/b?sessionToken=1", "it seems to hold a password or token"),
        ("job.class=a,job.jar.url=http://a/b,serviceAccount.create=false", "without a ServiceAccount of its own"),
        (
            "job.class=a,job.jar.url=http://a/b,serviceAccount.create=false,serviceAccount.name=default",
            "without a ServiceAccount of its own",
        ),
        ("job.class=a,job.jar.url=http://a/b,serviceAccount.name=job-jm", "serviceAccount.name: job-jm is the job"),
        ("job.class=a,job.jar.url=http://a/b,command={x}", "command, args: Twister2 starts the workers"),
        ("job.class=a,job.jar.url=http://a/b,job.config.a.b=5", "job.config.a: it is a map"),
        (r"job.class=a,job.jar.url=http://a/b,job.config.kubernetes\.namespace=x", "use the release's namespace"),
        (r"job.class=a,job.jar.url=http://a/b,job.config.twister2\.job\.id=x", "use the release's name"),
        (
            r"job.class=a,job.jar.url=http://a/b,job.config.kubernetes\.node\.port\.service\.requested=true",
            "use nodePort.enabled instead",
        ),
        (
            r"job.class=a,job.jar.url=http://a/b,job.config.twister2\.network\.channel\.class=x.TWSMPIChannel",
            "OpenMPI jobs don't run with this chart",
        ),
        (
            r"job.class=a,job.jar.url=http://a/b,job.config.twister2\.job\.master\.runs\.in\.client=true",
            "the job master runs in the cluster",
        ),
        (
            "job.class=a,job.jar.url=http://a/b,resources.limits.memory=819M",
            "resources.limits.memory: 819M is less than the heap of the JVM, 819 MiB (job.ram x job",
        ),
        (
            "job.class=a,job.jar.url=http://a/b,computeResources[0].ram=4000,resources.limits.memory=3Gi",
            "computeResources[0].resources.limits.memory: 3Gi is less than the heap of the JVM, 3200 MiB (compute",
        ),
        (
            "job.class=a,job.jar.url=http://a/b,job.master.resources.limits.memory=1073741823",
            "job.master.resources.limits.memory: 1073741823 is less than the heap of the JVM, 1024 MiB (job.master.ram",
        ),
    ],
)
@pytest.mark.parametrize("skip", [(), (SKIP,)], ids=["schema", "template"])
def test_rules_of_a_job(helm_template, values, sentence, skip):
    assert sentence in helm_template.refuses("--set", values, *skip)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ("job.class=a b", "the full name of a Java class"),
        ("job.class=org/example/Worker", "the full name of a Java class"),
        ("job.jar.url=ftp://a/b", "an http or https URL"),
        ("job.jar.url=https://me:secret@a/b", "without user, password or token"),
        ("job.jar.url=https://a@b/c", "without user, password or token"),
        ("job.jar.sha256=abc", "64 hex digits"),
        ("job.jar.file=x", "file"),
        ("job.cpu=0", "a number of cores above 0"),
        ("job.cpu=half", "a number of cores above 0"),
        ("job.ram=8", "ram"),
        ("job.ram=1.5", "ram"),
        ("job.disk=-1", "a number of GiB"),
        ("job.jvmMemoryFraction=1.1", "a number above 0 and up to 1"),
        ("job.jvmMemoryFraction=0.0", "a number above 0 and up to 1"),
        ("job.submissionTime=now", "submissionTime"),
        ("job.master.port=0", "port"),
        ("job.master.image=x", "image"),
        ("job.workers=4", "workers"),
        ("computeResources[0].ram=1", "ram"),
    ],
)
def test_schema_refuses(helm_template, values, word):
    assert word in helm_template.refuses("--set", values)


def test_one_worker_per_pod_holds_for_jobs_too(helm_template):
    assert "workersPerPod" in helm_template.refuses(*JOB, "--set", "nodePort.enabled=true,workersPerPod=2")


def test_fractions_can_be_given_on_helms_command_line(helm_template):
    """Helm's --set makes texts of them."""
    values = "job.cpu=0.25,job.disk=1.5,job.jvmMemoryFraction=0.5,job.ram=100,job.master.cpu=0.1"
    (container,) = pod(helm_template, "job-0", *JOB, "--set", values)["spec"]["containers"]
    assert environment(container)["JVM_MEMORY_MB"] == "50"
    assert container["resources"]["requests"]["cpu"] == "0.25"
    (group,) = plan(helm_template, *JOB, "--set", values)["groups"]
    assert (group["cpu"], group["disk"]) == (0.25, 1.5)


def test_a_url_without_credentials_may_look_like_one(helm_template):
    for url in (
        "https://a/@scope/b.jar", "https://a/b.jar?author=me@b&key=b.jar", "https://a/token/b.jar?version=1",
        "https://a/b.jar?tokenizer=x&x-amz-checksum-mode=ENABLED",
    ):  # fmt: skip
        assert environment_of_package(helm_template, url)["TWISTER2_JOB_URL"] == url
    secret = ("--set", "job.jar.url=null,job.jar.urlSecret.name=jar")  # Takes a URL out of earlier values.
    (container,) = pod(helm_template, "job-0", *JOB, *secret)["spec"]["initContainers"]
    assert environment(container)["TWISTER2_JOB_URL"]["secretKeyRef"]["name"] == "jar"


def environment_of_package(template, url):
    (container,) = pod(template, "job-0", *JOB, "--set-string", f"job.jar.url={url}")["spec"]["initContainers"]
    return environment(container)


def test_a_digest_may_be_in_capitals(helm_template):
    assert plan(helm_template, *JOB, "--set-string", "job.jar.sha256=" + "AB" * 32)["sha256"] == "ab" * 32


@pytest.mark.parametrize("limit", ["819Mi", "859M", "1e9", "1Gi", "0.8Gi", "1", "100E"])
def test_a_limit_of_memory_that_the_heap_fits_in(helm_template, limit):
    """1 byte is no limit of a JVM, so the echo worker has it; 100E is a quantity that the rule leaves to Kubernetes."""
    job = [] if limit == "1" else ["--set", "job.class=a,job.jar.url=http://a/b"]
    objects = helm_template.objects(*job, "--set-string", f"resources.limits.memory={limit}")
    containers = select(objects, "StatefulSet", "job-0")[0]["spec"]["template"]["spec"]["containers"]
    assert containers[0]["resources"]["limits"] == {"memory": limit}


def test_a_driver_is_named_for_a_package_too(helm_template):
    """The chart can't look into the package, and the driver needs a right."""
    package = ("--set", "job.package.url=http://a/b,job.driver=org.example.Driver")
    assert plan(helm_template, *package)["driver"] == "org.example.Driver"
    (container,) = pod(helm_template, "job-jm", *package)["spec"]["initContainers"]
    assert container["command"][-1] == "--publish"
    assert any("statefulsets/scale" == rule[0] for rule in rules(helm_template, "job-jm", *package))


def test_affinity_is_the_workers_alone(helm_template):
    """Twister2 never gives its job master one: with an anti-affinity to workers it would find no node."""
    affinity = ("--set-json", 'affinity={"podAntiAffinity":{}}')
    assert pod(helm_template, "job-0", *JOB, *affinity)["spec"]["affinity"] == {"podAntiAffinity": {}}
    assert "affinity" not in pod(helm_template, "job-jm", *JOB, *affinity)["spec"]
