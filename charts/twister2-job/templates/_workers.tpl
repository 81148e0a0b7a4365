{{- /*
The table of workers. Every template that names a worker, a group or a port takes it from here.
*/}}

{{- /* twister2: a Twister2 job; command: the user's own command; echo: the echo worker. */}}
{{- define "twister2-job.mode" -}}
{{ if or .Values.job.class (include "twister2-job.jobSource" .) }}twister2{{ else if or .Values.command .Values.args }}command{{ else }}echo{{ end }}
{{- end }}

{{- /* Where a Twister2 job's classes come from: jar, package, or nothing. */}}
{{- define "twister2-job.jobSource" -}}
{{- $found := "" }}
{{- range $source := list "package" "jar" }}
{{- $files := index $.Values.job $source }}
{{- if or $files.url (get ($files.urlSecret | default dict) "name") $files.configMaps }}
{{- $found = $source }}
{{- end }}
{{- end }}
{{- $found }}
{{- end }}

{{- /* The image of the workers. */}}
{{- define "twister2-job.image" -}}
{{- if eq (include "twister2-job.mode" .) "echo" -}}
{{ include "twister2-job.imageReference" .Values.echo.image }}
{{- else -}}
{{ include "twister2-job.imageReference" (mergeOverwrite (deepCopy .Values.image) (dict "tag" (.Values.image.tag | default .Chart.AppVersion))) }}
{{- end }}
{{- end }}

{{- define "twister2-job.imageReference" -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end }}

{{- /*
The ports of one worker, as JSON {"ports": [{name, protocol, offset}]}: `worker`, then the additional ports in order.
The offset is counted from the worker's own worker port.
*/}}
{{- define "twister2-job.ports" -}}
{{- $ports := list (dict "name" "worker" "protocol" .Values.protocol "offset" 0) }}
{{- range $k, $port := .Values.additionalPorts }}
{{- $ports = append $ports (dict "name" $port.name "protocol" ($port.protocol | default "TCP") "offset" (add1 $k)) }}
{{- end }}
{{- dict "ports" $ports | toJson }}
{{- end }}

{{- /*
The worker groups, as JSON {"groups": [...]}: each has index, instances, workersPerPod, firstWorker (the ID of its first
worker), heap (of a worker's JVM, in MiB) and what pods of the group have of their own.
Worker ID = firstWorker + ordinal * workersPerPod + container.
*/}}
{{- define "twister2-job.groups" -}}
{{- $inherited := dict }}
{{- range $key := list "instances" "workersPerPod" "resources" "nodeSelector" "affinity" "tolerations" "topologySpreadConstraints" }}
{{- $_ := set $inherited $key (index $.Values $key) }}
{{- end }}
{{- range $key := list "cpu" "ram" "disk" }}
{{- $_ := set $inherited $key (index $.Values.job $key) }}
{{- end }}
{{- $groups := list }}
{{- $firstWorker := 0 }}
{{- range $index, $own := prepend .Values.computeResources dict }}
{{- $group := dict "index" $index "firstWorker" $firstWorker }}
{{- range $key, $value := $inherited }}
{{- $_ := set $group $key (ternary (index $own $key) $value (hasKey $own $key)) }}
{{- end }}
{{- $_ := set $group "instances" (int $group.instances) }}
{{- $_ := set $group "workersPerPod" (int $group.workersPerPod) }}
{{- $_ := set $group "heap" (floor (mulf $group.ram $.Values.job.jvmMemoryFraction)) }}
{{- $firstWorker = add $firstWorker (mul $group.instances $group.workersPerPod) }}
{{- $groups = append $groups $group }}
{{- end }}
{{- dict "groups" $groups | toJson }}
{{- end }}

{{- /*
The number of a port. Arguments: dict "root" $ "container" INDEX "port" PORT. Container c's worker port is
workerPort + c * (1 + number of additional ports), as Twister2 computes it.
*/}}
{{- define "twister2-job.portNumber" -}}
{{- $stride := add1 (len .root.Values.additionalPorts) }}
{{- add (int .root.Values.workerPort) (mul (int .container) $stride) (int .port.offset) }}
{{- end }}

{{- /* The name of a port in its pod, where names must differ: container 0 has the plain names. Arguments as above. */}}
{{- define "twister2-job.portName" -}}
{{ .port.name }}{{ if int .container }}-{{ .container }}{{ end }}
{{- end }}
