{{- /* The rules about a Twister2 job. */}}
{{- define "twister2-job.validate.job" -}}
{{- $job := .Values.job }}
{{- $sources := list }}
{{- range $source := list "jar" "package" }}
{{- $files := index $job $source }}
{{- $given := list }}
{{- range $key := list "url" "configMaps" }}
{{- if get $files $key }}
{{- $given = append $given (printf "job.%s.%s" $source $key) }}
{{- end }}
{{- end }}
{{- if get ($files.urlSecret | default dict) "name" }}
{{- $given = append $given (printf "job.%s.urlSecret" $source) }}
{{- end }}
{{- if regexMatch "(?i)[?&;]([^=&;]*(token|secret|password|passwd|pwd|jwt|signature|credentials?|(api|access|auth|subscription)[-_.]?key)|sig|auth|authorization)=|[?&;]code=[^&;#]{12}" ($files.url | default "") }}
{{ printf "job.%s.url: it seems to hold a password or token, which everybody who may look at the job would see; put the URL into a Secret and name that in job.%s.urlSecret" $source $source }}
{{- end }}
{{- if gt (len $given) 1 }}
{{ printf "%s: these are two places to get the same file from; leave one" (join ", " $given) }}
{{- end }}
{{- if and $files.sha256 (not $given) }}
{{ printf "job.%s.sha256: it is set, but no file is; set job.%s.url, job.%s.urlSecret or job.%s.configMaps, or leave it out" $source $source $source $source }}
{{- end }}
{{- if $given }}
{{- $sources = append $sources $source }}
{{- end }}
{{- end }}
{{- if eq (len $sources) 2 }}
{{ "job.package: it has a jar inside, and job.jar is set too; leave one of the two out" }}
{{- end }}
{{- if and $job.class (not $sources) }}
{{ "job.class: the jar with this class is missing; set job.jar.url (or job.jar.urlSecret), or use `twister2-job submit`, which sets job.jar.configMaps" }}
{{- end }}
{{- if and (has "jar" $sources) (not $job.class) }}
{{ "job.jar: it is set, but job.class is not; name the worker class, an IWorker or a Twister2Worker" }}
{{- end }}
{{- range $key := list "class" "driver" "name" "config" }}
{{- if and (index $job $key) (has "package" $sources) (ne $key "driver") }}
{{ printf "job.%s: job.package says this already; leave job.%s out" $key $key }}
{{- else if and (index $job $key) (ne $key "class") (not (or $job.class (has "package" $sources))) }}
{{ printf "job.%s: it is set, but job.class is not; set job.class or leave job.%s out" $key $key }}
{{- end }}
{{- end }}
{{- if or $job.class $sources }}
{{- if or .Values.command .Values.args }}
{{ "command, args: Twister2 starts the workers of a job by itself; leave command and args out, or job" }}
{{- end }}
{{- include "twister2-job.validate.heaps" . }}
{{- range $path, $account := dict "serviceAccount" .Values.serviceAccount "job.master.serviceAccount" $job.master.serviceAccount }}
{{- if and (has $account.name (list "" "default")) (not $account.create) }}
{{ printf "%s.name: without a ServiceAccount of its own every pod that runs as `default` would get rights of the job; name another one or leave %s.create out" $path $path }}
{{- end }}
{{- end }}
{{- $name := include "twister2-job.name.serviceAccount" . }}
{{- if eq $name (include "twister2-job.name.jobMasterServiceAccount" .) }}
{{ printf "serviceAccount.name: %s is the job master's own, with rights that workers don't need; take another name" $name }}
{{- end }}
{{- end }}
{{- $own := dict
  "kubernetes.namespace" "the release's namespace (--namespace)"
  "twister2.job.id" "the release's name"
  "twister2.job.master.port" "job.master.port"
  "twister2.job.master.cpu" "job.master.cpu"
  "twister2.job.master.ram" "job.master.ram"
  "twister2.kubernetes.jvm.memory.fraction" "job.jvmMemoryFraction"
  "kubernetes.worker.transport.protocol" "protocol"
  "twister2.checkpointing.restore.job" "job.restore"
  "twister2.resource.worker.additional.ports" "additionalPorts"
  "kubernetes.worker.base.port" "workerPort"
  "twister2.resource.worker.compute.resources" "instances, workersPerPod and computeResources"
  "twister2.resource.job.worker.class" "job.class"
  "twister2.resource.job.driver.class" "job.driver"
  "kubernetes.node.port.service.requested" "nodePort.enabled"
  "kubernetes.service.node.port" "nodePort.port"
}}
{{- range $key, $value := $job.config }}
{{- if kindIs "map" $value }}
{{ printf "job.config.%s: it is a map, but keys of Twister2 are one text with dots in it; on the command line write the dots as \\., as in --set 'job.config.%s\\.NAME=5'" $key $key }}
{{- else if kindIs "invalid" $value }}
{{ printf "job.config.%s: it has no value; give it one or leave it out" $key }}
{{- else if hasKey $own $key }}
{{ printf "job.config.%s: the chart sets it; use %s instead" $key (get $own $key) }}
{{- else if and (eq $key "twister2.network.channel.class") (contains "MPI" (toString $value)) }}
{{ printf "job.config.%s: OpenMPI jobs don't run with this chart; leave the key out for Twister2's TCP channel" $key }}
{{- else if and (eq $key "twister2.job.master.runs.in.client") (eq (toString $value) "true") }}
{{ printf "job.config.%s: the job master runs in the cluster with this chart; leave the key out" $key }}
{{- end }}
{{- end }}
{{- end }}

{{- /* A JVM's heap must fit into the memory of its container: else the container is killed once the heap is in use. */}}
{{- define "twister2-job.validate.heaps" -}}
{{- $job := .Values.job }}
{{- $heaps := list (dict "path" "job.master.resources" "resources" $job.master.resources "heap" $job.master.ram "from" "job.master.ram" "fraction" "") }}
{{- range .Job.groups }}
{{- $heaps = append $heaps (dict "path" (print .path "resources") "resources" .resources "heap" .heap "from" (ternary (print .path "ram") "job.ram" (ne .path "")) "fraction" (printf " x job.jvmMemoryFraction %v" $job.jvmMemoryFraction)) }}
{{- end }}
{{- range $heaps }}
{{- $limit := "" }}
{{- if kindIs "map" .resources }}
{{- $limits := index .resources "limits" }}
{{- if kindIs "map" $limits }}
{{- $limit = get $limits "memory" | toString }}
{{- end }}
{{- end }}
{{- $bytes := include "twister2-job.quantity" $limit }}
{{- if and $bytes (lt (divf (float64 $bytes) 1048576) (float64 .heap)) }}
{{ printf "%s.limits.memory: %s is less than the heap of the JVM, %d MiB (%s%s), so the container would be killed once it is in use; raise the limit or lower %s" .path $limit (int .heap) .from .fraction .from }}
{{- end }}
{{- end }}
{{- end }}

{{- /* A quantity of Kubernetes as a number; empty if it is none. */}}
{{- define "twister2-job.quantity" -}}
{{- $number := regexFind "^([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?" . }}
{{- $unit := get (dict "n" 1e-9 "u" 1e-6 "m" 1e-3 "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976) (trimPrefix $number .) }}
{{- if and $number $unit }}
{{- mulf (float64 $number) $unit | printf "%.9f" }}
{{- end }}
{{- end }}
