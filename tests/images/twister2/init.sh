#!/bin/bash
# Runs a main class of Twister2 0.3.0 in a pod that is made for Twister2 0.8.0. All that differs is settled here and in
# Adapter.java: the chart knows nothing of 0.3.0.
namespace=$(</var/run/secrets/kubernetes.io/serviceaccount/namespace)

# The settings that 0.3.0 wants; kubernetes/checkpoint.yaml is read last, so it wins over all other files.
adapt() {
  local patience=twister2.worker.to.job.master.response.wait.duration
  {
    echo
    echo "twister2.job.id: \"$JOB_ID\""
    echo "kubernetes.namespace: \"$namespace\""
    echo "kubernetes.node.locations.from.config: false"
    # Its watch for the master's pod knows other labels: the worker takes JOB_MASTER_IP when it is told this.
    echo "twister2.job.master.runs.in.client: true"
    echo "twister2.job.master.assigns.worker.ids: false"
    # Without it 0.3.0 waits 1 s for the master's replies, too short on a busy machine: a worker whose registration isn't
    # answered in time ends, and the master takes no second one of it. 0.8.0 waits 100 s without it.
    grep -q "$patience" "$job"/kubernetes/*.yaml || echo "$patience: 100000"
    # Keys that 0.8.0 calls otherwise.
    sed -nE -e 's/^("?)twister2\.resource\.(worker\.additional\.ports)/\1twister2.\2/p' \
      -e 's/^("?)twister2\.resource\.(persistent\.volume\.per\.worker)/\1\2/p' "$job"/kubernetes/*.yaml
  } >> "$job/kubernetes/checkpoint.yaml"
}

# The address that the master binds: Java takes the pod's IPv4 address if it has both.
job_master_ip() {
  python3 -c '
import socket, sys, time
for _ in range(400):
    try:
        found = socket.getaddrinfo(sys.argv[1], None, type=socket.SOCK_STREAM)
        print(sorted((family != socket.AF_INET, address[0]) for family, _, _, _, address in found)[0][1])
        sys.exit()
    except OSError:
        time.sleep(0.25)
sys.exit(sys.argv[1] + " has no address after 100 s: is the pod of the job master there?")
' "$JOB_ID-jm.$namespace.svc.cluster.local"
}

. ./unpack.sh
export JOB_NAME=$JOB_ID KUBECONFIG=/twister2/kubeconfig
if [[ $CLASS_TO_RUN != *.JobMasterStarter ]]; then
  JOB_MASTER_IP=$(job_master_ip) || exit 1
  export JOB_MASTER_IP
fi
logging=()
[[ -e $job/$LOGGER_PROPERTIES_FILE ]] && logging=("-Djava.util.logging.config.file=$job/$LOGGER_PROPERTIES_FILE")
# Small jobs on a small machine: no parallel collector, no second compiler.
/opt/java/bin/java "-Xms${JVM_MEMORY_MB}m" "-Xmx${JVM_MEMORY_MB}m" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
  -XX:-UsePerfData "${logging[@]}" -cp "$job/$USER_JOB_JAR_FILE:/twister2/lib/*" Adapter "$CLASS_TO_RUN"
code=$?
if ((code)); then exit $code; fi
echo "$CLASS_TO_RUN completed. Waiting the pod to be deleted."
sleep infinity
