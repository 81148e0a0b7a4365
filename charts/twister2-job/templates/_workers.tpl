{{- /*
The table of workers: what "twister2-job.prepare" puts into `.Job`. Every template that names a worker, a group or a port
takes it from there.
*/}}

{{- /* twister2: a Twister2 job; command: the user's own command; echo: the echo worker. */}}
{{- define "twister2-job.mode" -}}
{{ if or .Values.job.class .Job.source }}twister2{{ else if or .Values.command .Values.args }}command{{ else }}echo{{ end }}
{{- end }}

{{- /* Where a Twister2 job's classes come from: jar, package, or nothing. */}}
{{- define "twister2-job.source" -}}
{{- $found := "" }}
{{- range $source := list "package" "jar" }}
{{- $files := index $.Values.job $source }}
{{- if or $files.url $files.urlSecret.name $files.configMaps }}
{{- $found = $source }}
{{- end }}
{{- end }}
{{- $found }}
{{- end }}

{{- /* The image of the workers. */}}
{{- define "twister2-job.image" -}}
{{- if eq .Job.mode "echo" -}}
{{ include "twister2-job.imageReference" (dict "root" . "image" .Values.echo.image "tag" "") }}
{{- else -}}
{{ include "twister2-job.imageReference" (dict "root" . "image" .Values.image "tag" .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- /* An umbrella chart may have all images come from one registry. Arguments: dict "root" $ "image" VALUES "tag" DEFAULT */}}
{{- define "twister2-job.imageReference" -}}
{{- $repository := .image.repository }}
{{- with .root.Values.global.imageRegistry }}
{{- $repository = regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "" | printf "%s/%s" . }}
{{- end }}
{{- $repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else if .image.tag | default .tag }}:{{ .image.tag | default .tag }}{{ end }}
{{- end }}

{{- /*
Sets .Job.ports, the ports of one worker: `worker`, then the additional ports in order. The number is that of the first
worker in a pod.
*/}}
{{- define "twister2-job.ports" -}}
{{- $number := int .Values.workerPort }}
{{- $ports := list (dict "name" "worker" "protocol" .Values.protocol "number" $number) }}
{{- range $k, $port := .Values.additionalPorts }}
{{- $ports = append $ports (dict "name" (toString $port.name) "protocol" ($port.protocol | default "TCP") "number" (add $number 1 $k)) }}
{{- end }}
{{- $_ := set .Job "ports" $ports }}
{{- end }}

{{- /*
Sets .Job.groups, the worker groups: each has index, name, instances, workersPerPod, firstWorker (the ID of its first
worker), heap (of a worker's JVM, in MiB), path (of its values), containerResources (of a worker: the group's own, or what
its mode has) and what pods of the group have of their own; and .Job.workers.
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
{{- $path := ternary (printf "computeResources[%d]." (sub $index 1)) "" (gt $index 0) }}
{{- $group := dict "index" $index "firstWorker" $firstWorker "path" $path }}
{{- $_ := set $group "name" (include "twister2-job.name.group" (dict "root" $ "group" $group)) }}
{{- range $key, $value := $inherited }}
{{- $mine := index $own $key }}
{{- $_ := set $group $key (ternary $value $mine (kindIs "invalid" $mine)) }}
{{- end }}
{{- $_ := set $group "instances" (int $group.instances) }}
{{- $_ := set $group "workersPerPod" (int $group.workersPerPod) }}
{{- $_ := set $group "heap" (int (floor (mulf $group.ram $.Values.job.jvmMemoryFraction))) }}
{{- $firstWorker = int (add $firstWorker (mul $group.instances $group.workersPerPod)) }}
{{- $standard := dict }}
{{- if eq $.Job.mode "twister2" }}
{{- $standard = dict "requests" (dict "cpu" (toString $group.cpu) "memory" (printf "%dMi" (int $group.ram))) }}
{{- else if eq $.Job.mode "echo" }}
{{- $standard = $.Values.echo.resources }}
{{- end }}
{{- $_ := set $group "containerResources" ($group.resources | default $standard) }}
{{- $groups = append $groups $group }}
{{- end }}
{{- $_ := set .Job "groups" $groups }}
{{- $_ := set .Job "workers" $firstWorker }}
{{- end }}

{{- /*
The number of a port. Arguments: dict "root" $ "container" INDEX "port" PORT. Container c's worker port is
workerPort + c * (1 + number of additional ports), as Twister2 computes it.
*/}}
{{- define "twister2-job.portNumber" -}}
{{- add .port.number (mul (int .container) (len .root.Job.ports)) }}
{{- end }}

{{- /* The name of a port in its pod, where names must differ: container 0 has the plain names. Arguments as above. */}}
{{- define "twister2-job.portName" -}}
{{ .port.name }}{{ if int .container }}-{{ .container }}{{ end }}
{{- end }}
