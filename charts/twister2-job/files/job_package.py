"""Makes the package of a Twister2 job: the `.job` protobuf, the configuration and the jar, as one tar.gz.

The init container of every pod runs it (Python 3.5's standard library is all that Twister2's image has), so the package
always says what the chart's values say, and is there for restarted and added pods too. The wrapper imports it as well.

    job_package.py PLAN FOLDER [--publish]

PLAN is the JSON file that the chart writes. FOLDER gets <job>.tar.gz and package.env. TWISTER2_JOB_URL names the URL of
the jar or package; without it the pieces are the files in TWISTER2_JOB_PIECES, in the order of their names.
twister2-config.json, beside this script, is what Twister2 0.8.0 ships as its configuration: {file: {key: value}}.
--publish writes the job into the job's ConfigMap, where Twister2's scaler looks for it.
"""

import base64
import gzip
import hashlib
import http.client
import io
import json
import os
import re
import ssl
import struct
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request

ARCHIVE = "twister2-job"  # The folder inside the package; Twister2 has this name built in.
JAR = "job.jar"
SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "twister2-config.json")
COMMON = "/twister2/conf/common"  # Of the image, in the place of ours.
# What only Twister2's client reads.
CLIENT_ONLY = (
    "twister2.resource.class.launcher",
    "twister2.resource.class.uploader",
    "twister2.resource.kubernetes.docker.image",
    "twister2.resource.kubernetes.persistent.storage.class",
)
ZOOKEEPER = "twister2.resource.zookeeper."
# Of their sizes, in GB, pods only look whether they are above 0: is there a volume at /persistent?
VOLUMES = ("twister2.resource.persistent.volume.per.worker", "twister2.job.master.persistent.volume.size")
PATIENCE = 120.0  # Seconds that a server may take to come up.
SILENCE = 30.0  # Seconds without a byte.
# A package is unpacked to be read, and some kilobytes can unpack to more than a machine has.
MOST_UNPACKED = 4 << 30  # Bytes of all that is in it.
MOST_READ = 16 << 20  # Bytes of what is not skipped: names, the .job file, the yaml files.
MOST_FILE = 1 << 20  # Bytes of one of them; a ConfigMap has to hold the .job file.
MOST_ENTRIES = 10000
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
# Twister2 has a formatter of its own, and makes nothing of the settings of Java's.
LOGGING = """handlers=java.util.logging.ConsoleHandler
.level=INFO
java.util.logging.ConsoleHandler.level=INFO
java.util.logging.ConsoleHandler.formatter=edu.iu.dsc.tws.common.logging.Twister2LogFormatter
edu.iu.dsc.tws.common.logging.Twister2LogFormatter.format=\
[%1$tF %1$tT %1$tz] [%4$s] [%7$s] [%8$s] %3$s: %5$s %6$s %n
"""


class PackageError(Exception):
    """A sentence that says what is wrong with the jar or the package, and what to do."""


# The `.job` file: protobuf, proto3, message tws.proto.job.Job. Field numbers as Twister2 0.8.0 has them.


def _varint(number):
    number &= (1 << 64) - 1
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _bytes(field, value):
    return _varint(field << 3 | 2) + _varint(len(value)) + value if value else b""


def _text(field, value):
    return _bytes(field, value.encode("utf-8"))


def _number(field, value, always=False):
    return _varint(field << 3) + _varint(value) if value or always else b""


def _double(field, value):
    return _varint(field << 3 | 1) + struct.pack("<d", value) if value else b""


def encode_job(plan):
    """Return the bytes of the `.job` file for a plan."""
    job = _text(1, plan["jobName"]) + _text(2, plan["job"]) + _text(3, plan["class"]) + _text(4, plan["driver"])
    job += _number(5, sum(group["instances"] * group["workersPerPod"] for group in plan["groups"]))
    for index, group in enumerate(plan["groups"]):
        resource = _double(1, float(group["cpu"])) + _number(2, int(group["ram"])) + _double(3, float(group["disk"]))
        resource += _number(4, group["instances"]) + _number(5, group["workersPerPod"])
        # Both are in a oneof, and Twister2's client writes them even when they are 0.
        resource += _number(6, int(group["scalable"]), always=True) + _number(7, index, always=True)
        job += _bytes(6, resource)
    # An empty message, not none: Twister2's client writes it. The configuration is in the yaml files.
    return job + _varint(7 << 3 | 2) + b"\0" + _bytes(8, _text(2, JAR))


def _fields(data):
    """Yield (field number, value) of a protobuf message: numbers, doubles and bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            if shift > 63:
                raise ValueError("a number without an end")
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
        elif kind == 1:
            yield key >> 3, struct.unpack("<d", data[at : at + 8])[0]
            at += 8
        elif kind == 2:
            size = varint()
            if at + size > len(data):
                raise IndexError("a field ends after the message")
            yield key >> 3, data[at : at + size]
            at += size
        else:
            raise ValueError("wire type %d" % kind)


def decode_job(data):
    """Return what a `.job` file says, as a dictionary.

    Raises PackageError if it is no protobuf of that kind.
    """
    found = {"job_name": "", "job_id": "", "class": "", "driver": "", "workers": 0, "groups": [], "type": 0, "job_file": ""}
    texts = {1: "job_name", 2: "job_id", 3: "class", 4: "driver"}
    try:
        for field, value in _fields(data):
            if field in texts:
                found[texts[field]] = value.decode("utf-8")
            elif field == 5:
                found["workers"] = value
            elif field == 6:
                group = dict(_fields(value))
                found["groups"].append(
                    {
                        "cpu": group.get(1, 0.0),
                        "ram": group.get(2, 0),
                        "disk": group.get(3, 0.0),
                        "instances": group.get(4, 0),
                        "workersPerPod": group.get(5, 0),
                        "scalable": bool(group.get(6, 0)),
                        "index": group.get(7, 0),
                    }
                )
            elif field == 8:
                job_format = dict(_fields(value))
                found["type"], found["job_file"] = job_format.get(1, 0), job_format.get(2, b"").decode("utf-8")
    except (IndexError, ValueError, AttributeError, TypeError, struct.error) as error:
        raise PackageError("The .job file of the package can't be read (%s)." % error)
    return found


# The package.


def _value(value):
    """Return a setting as JSON, which is yaml too."""
    if isinstance(value, list):
        return "[%s]" % ", ".join(_value(one) for one in value)
    text = json.dumps(value, sort_keys=True)
    if isinstance(value, float) and "." not in text:
        text = text.replace("e", ".0e")  # Without the point, yaml 1.1 takes 1e-05 for a text.
    return text


def _yaml(values):
    """Return flat settings as yaml, a line each."""
    return "".join("%s: %s\n" % (json.dumps(key), _value(values[key])) for key in sorted(values))


def shipped(folder):
    """Return the files of a folder of the shipped configuration: {path: {key: value}}."""
    with open(SHIPPED, encoding="utf-8") as file:
        files = json.load(file)
    return {
        path: {key: values[key] for key in values if key not in CLIENT_ONLY}
        for path, values in files.items()
        if path.startswith(folder + "/")
    }


def common_configuration():
    """Return the files of common/: {path: bytes}. They are the image's own, or ours if it has none."""
    found = {}
    try:
        for name in os.listdir(COMMON) if os.path.isdir(COMMON) else ():
            path = os.path.join(COMMON, name)
            if name.endswith(".yaml") and os.path.isfile(path):
                with open(path, "rb") as file:
                    found["common/" + name] = file.read()
    except OSError as error:
        raise PackageError("Twister2's configuration in the image, %s, can't be read (%s)." % (COMMON, error))
    return found or {path: _yaml(values).encode("utf-8") for path, values in shipped("common").items()}


def configuration(plan, common):
    """Return the configuration files of the job: {path: text}. Twister2 reads them last, core.yaml after network.yaml.

    `common` is what `common_configuration` returns.
    """
    core = {}
    for values in shipped("kubernetes").values():
        core.update(values)  # In a checkpoint.yaml they would win over the user's.
    if plan.get("persistent"):
        core.update((key, 1.0) for key in VOLUMES)
    core.update(plan["config"])
    told = {}
    for name in sorted(common):
        told.update(_settings(common[name]))
    told.update(core)
    time_of_run = plan.get("submissionTime", "0")
    if told.get(ZOOKEEPER + "server.addresses") and time_of_run != "0":
        # The znode <root>/<job> outlives the run, and Twister2 starts no run where there is one.
        root = ZOOKEEPER + "root.node.path"
        core[root] = "%s/%s" % (str(told.get(root) or "/twister2").rstrip("/"), time_of_run)
    core["kubernetes.namespace"] = plan["namespace"]
    core["twister2.job.master.port"] = plan["masterPort"]
    network = {
        # Without this key Twister2 takes the job for an OpenMPI job.
        "twister2.network.channel.class": "edu.iu.dsc.tws.comms.tcp.TWSTCPChannel",
        "kubernetes.worker.base.port": plan["workerPort"],
    }
    if plan["additionalPorts"]:
        network["twister2.resource.worker.additional.ports"] = plan["additionalPorts"]
    for key in network:
        if key in core:
            network[key] = core.pop(key)
    return {
        "kubernetes/core.yaml": _yaml(core),
        "kubernetes/network.yaml": _yaml(network),
        "common/logger.properties": LOGGING,
    }


def write_package(plan, jar, target):
    """Write the package of a plan with the jar at path `jar` to path `target`."""
    files = [(plan["job"] + ".job", encode_job(plan))]
    found = common_configuration()
    own = configuration(plan, found)
    found.update((name, text.encode("utf-8")) for name, text in own.items())
    files += sorted(found.items())
    # The jar is compressed already, and the job's own pods are all that reads this: 1 is quick.
    with open(target, "wb") as out, gzip.GzipFile("", "wb", 1, out, 0) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name, content in files:
                entry = tarfile.TarInfo("%s/%s" % (ARCHIVE, name))
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            entry = tarfile.TarInfo("%s/%s" % (ARCHIVE, JAR))
            entry.size = os.path.getsize(jar)
            with open(jar, "rb") as file:
                tar.addfile(entry, file)


class _Bounded:
    """What is in an archive, for tarfile, which itself takes all that a header promises."""

    def __init__(self, file):
        self._file, self._left = file, MOST_READ
        self.tell = file.tell

    def seek(self, at):
        if at > MOST_UNPACKED:
            raise PackageError("The package unpacks to more than %d GiB." % (MOST_UNPACKED >> 30))
        return self._file.seek(at)

    def read(self, size):
        self._left -= size
        if self._left < 0:
            raise PackageError("The package's settings have more than %d MiB." % (MOST_READ >> 20))
        return self._file.read(size)


def _entries(file):
    """Yield (path in Twister2's folder, function that returns the content) of the files of an opened package."""
    with tarfile.open(fileobj=_Bounded(file), mode="r:") as tar:
        for number, entry in enumerate(tar):
            if number >= MOST_ENTRIES:
                raise PackageError("The package has more than %d files." % MOST_ENTRIES)
            name = entry.name[2:] if entry.name.startswith("./") else entry.name
            folder, _, rest = name.partition("/")
            if folder == ARCHIVE and entry.isfile():
                yield rest, lambda entry=entry: _content(tar, entry)


def _content(tar, entry):
    if entry.size > MOST_FILE:
        raise PackageError("%r in the package has more than %d MiB." % (entry.name, MOST_FILE >> 20))
    return tar.extractfile(entry).read()


def read_package(path):
    """Return {"job": what its .job file says, "bytes": that file, "files": {name: bytes of each yaml file}} of a package.

    Raises PackageError if it is none of Twister2's packages.
    """
    content, files = None, {}
    try:
        with open(path, "rb") as packed:
            file = gzip.GzipFile(fileobj=packed) if packed.read(2) == b"\x1f\x8b" else packed
            packed.seek(0)
            for name, read in _entries(file):
                if name.endswith(".job") and "/" not in name:
                    content = read()
                elif name.endswith(".yaml"):
                    files[name] = read()
    except PackageError:
        raise
    except Exception as error:  # Also those that tarfile and zlib have for what nobody has packed.
        raise PackageError("The package can't be read (%s); it must be a tar.gz that Twister2's client made." % error)
    if content is None:
        raise PackageError("The package has no file %s/<job>.job; it must be one that Twister2's client made." % ARCHIVE)
    return {"job": decode_job(content), "bytes": content, "files": files}


def _settings(content):
    """Return the flat settings of a yaml file with single values: {key: text}."""
    found = {}
    for line in content.decode("utf-8", "replace").splitlines():
        match = re.match(r"^['\"]?([A-Za-z0-9_.]+)['\"]?\s*:\s+([^#]*)", line)
        if match:
            found[match.group(1)] = match.group(2).strip().strip("'\"")
    return found


def check_package(plan, package):
    """Raise PackageError where a package, as `read_package` returns it, disagrees with the chart's values."""
    job, wrong = package["job"], []
    if job["type"] in (2, 3):
        raise PackageError("The package is of a Python job, and Twister2 does not run those on Kubernetes.")
    settings = {}
    for folder in ("common", "kubernetes"):  # The second one wins.
        for name in sorted(package["files"]):
            if name.startswith(folder + "/"):
                settings.update(_settings(package["files"][name]))
    if "MPI" in settings.get("twister2.network.channel.class", "MPI"):
        raise PackageError("The package is of an OpenMPI job (twister2.network.channel.class), which this chart doesn't run.")
    for key, expected, default in (
        ("kubernetes.namespace", plan["namespace"], "default"),
        ("twister2.job.master.port", str(plan["masterPort"]), "11011"),
    ):
        found = settings.get(key, default)
        if found != expected:
            wrong.append("its %s is %s, and the chart's values say %s" % (key, found, expected))
    # The job master's own says only whether its log is a file there, so it is the user's.
    size = settings.get(VOLUMES[0], "missing")
    if re.search("[1-9]", size):
        if not (plan.get("persistent") or os.path.isdir("/persistent")):
            wrong.append("its %s asks for a volume, and persistence.enabled of the chart's values is false" % VOLUMES[0])
    elif plan.get("persistent"):
        wrong.append("its %s is %s, and persistence.enabled of the chart's values is true" % (VOLUMES[0], size or "empty"))
    if job["job_id"] != plan["job"]:
        wrong.append("its job ID is %s, and the release is %s" % (job["job_id"], plan["job"]))
    if job["driver"] != plan["driver"]:
        told = [name and "is %s" % name or "is missing" for name in (job["driver"], plan["driver"])]
        wrong.append("its driver %s, and job.driver of the chart's values %s" % tuple(told))
    shapes = [[(g["instances"], g["workersPerPod"]) for g in groups] for groups in (job["groups"], plan["groups"])]
    if shapes[0] != shapes[1]:
        told = [", ".join("%d pods with %d workers" % one for one in shape) for shape in shapes]
        wrong.append("its groups are %s, and the chart's values say %s" % tuple(told))
    if wrong:
        raise PackageError("The package is of another job: %s. Set the values as the package has them." % "; ".join(wrong))


# The init container.


def shown(url):
    """Return a URL without what may be a password or a token in it."""
    return re.sub(r"//[^/@]*@", "//", url).partition("?")[0]


def request_for(url):
    """Return the request for a URL; user and password in it go into a header, which no redirection gets."""
    parts = urllib.parse.urlsplit(url)
    account, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl())
    if at:
        account = urllib.parse.unquote(account).encode("utf-8")
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(account).decode("ascii"))
    return request


def download(url, target):
    """Get a URL; a server that is not there yet, or is in trouble, is asked again for two minutes."""
    until = time.time() + PATIENCE
    pause = 1.0
    while True:
        try:
            with urllib.request.urlopen(request_for(url), timeout=SILENCE) as answer, open(target, "wb") as file:
                expected = answer.headers.get("Content-Length")
                while True:
                    block = answer.read(1 << 16)
                    if not block:
                        break
                    file.write(block)
            if expected is None or os.path.getsize(target) == int(expected):
                return
            why = "the connection ended after %d of %s bytes" % (os.path.getsize(target), expected)
        except urllib.error.HTTPError as error:
            why = "HTTP status %d" % error.code
            if error.code < 500 and error.code not in (408, 429):
                break
        except (http.client.InvalidURL, ValueError) as error:
            why = "it is no URL (%s)" % error.__class__.__name__
            break
        except (OSError, http.client.HTTPException) as error:  # No connection, no such name, a silent server.
            why = str(getattr(error, "reason", error))
        if time.time() > until:
            break
        print("%s did not give the file (%s); asking again" % (shown(url), why), flush=True)
        time.sleep(pause)
        pause = min(10.0, pause * 2)
    raise PackageError("%s can't be had from %s: %s." % ("The file", shown(url), why))


def collect(plan, target):
    """Put the jar or package together at path `target`, from the URL or from the pieces, and check its digest."""
    url = os.environ.get("TWISTER2_JOB_URL", "").strip()
    if url:
        download(url, target)
    else:
        folder = os.environ["TWISTER2_JOB_PIECES"]
        with open(target, "wb") as whole:
            for name in sorted(n for n in os.listdir(folder) if not n.startswith(".")):
                with open(os.path.join(folder, name), "rb") as piece:
                    whole.write(piece.read())
    hashed = hashlib.sha256()
    with open(target, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            hashed.update(block)
    digest = hashed.hexdigest()
    if plan["sha256"] and digest != plan["sha256"]:
        raise PackageError(
            "The %s is not the expected one: its SHA-256 is %s, and job.%s.sha256 is %s."
            % (plan["source"], digest, plan["source"], plan["sha256"])
        )
    with open(target, "rb") as file:
        if plan["source"] == "jar" and file.read(2) != b"PK":
            raise PackageError("What came as the jar is no jar: it doesn't begin as a zip file does.")


def publish(plan, job):
    """Write the job into its ConfigMap through the API: Twister2's scaler replaces this key, so it must be there."""
    with open(ACCOUNT + "/token") as file:
        token = file.read()
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    url = "https://%s:%s/api/v1/namespaces/%s/configmaps/%s" % (
        "[%s]" % host if ":" in host else host, os.environ["KUBERNETES_SERVICE_PORT"], plan["namespace"], plan["job"],
    )  # fmt: skip
    body = json.dumps({"data": {"TWISTER2_JOB_OBJECT": base64.b64encode(job).decode("ascii")}}).encode("ascii")
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/merge-patch+json"}
    request = urllib.request.Request(url, data=body, headers=headers, method="PATCH")
    try:
        context = ssl.create_default_context(cafile=ACCOUNT + "/ca.crt")
        # Not through a proxy, which is for the jar.
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        urllib.request.build_opener(*handlers).open(request, timeout=SILENCE).close()
    except OSError as error:
        print("The driver can't scale the job: the ConfigMap %s can't be written (%s)." % (plan["job"], error), flush=True)


def main(arguments):
    """Make the package; return the exit code."""
    with open(arguments[0], encoding="utf-8") as file:
        plan = json.load(file)
    folder = arguments[1]
    package = os.path.join(folder, plan["job"] + ".tar.gz")
    part = os.path.join(folder, "part")
    try:
        collect(plan, part)
        if plan["source"] == "jar":
            job_file, job = JAR, encode_job(plan)
            write_package(plan, part, package)
            os.unlink(part)
        else:
            found = read_package(part)
            check_package(plan, found)
            job_file, job = found["job"]["job_file"], found["bytes"]
            os.rename(part, package)
    except PackageError as error:
        print(error, flush=True)
        return 1
    if "--publish" in arguments:
        publish(plan, job)
    if not re.match(r"^[A-Za-z0-9._-]+$", job_file):
        print("The package's job file has a name that a shell can't take: %r." % job_file, flush=True)
        return 1
    with open(os.path.join(folder, "package.env"), "w") as file:
        file.write("export JOB_PACKAGE_FILE_SIZE=%d USER_JOB_JAR_FILE=%s\n" % (os.path.getsize(package), job_file))
    print("The package of job %s is ready: %d bytes." % (plan["job"], os.path.getsize(package)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
