{{- /* What the Services of single workers are made of. */}}

{{- /*
The workers that have a Service of their own, as JSON {"workers": [{id, pod, container}]}. Beyond the job's last worker
they are those that the last group would get next.
*/}}
{{- define "twister2-job.perWorkerTable" -}}
{{- $workers := list }}
{{- $groups := (include "twister2-job.groups" . | fromJson).groups }}
{{- $last := last $groups }}
{{- $count := int .Values.perWorker.count | default (int (add $last.firstWorker (mul $last.instances $last.workersPerPod))) }}
{{- range $group := $groups }}
{{- $first := int $group.firstWorker }}
{{- $end := ternary $count (min $count (add $first (mul $group.instances $group.workersPerPod))) (eq $group.index $last.index) | int }}
{{- $name := include "twister2-job.name.group" (dict "root" $ "group" $group) }}
{{- range $id := untilStep $first $end 1 }}
{{- $slot := sub $id $first }}
{{- $pod := printf "%s-%d" $name (div $slot (int $group.workersPerPod)) }}
{{- $workers = append $workers (dict "id" $id "pod" $pod "container" (mod $slot (int $group.workersPerPod))) }}
{{- end }}
{{- end }}
{{- dict "workers" $workers | toJson }}
{{- end }}

{{- /*
The fixed node port of one port of one worker: its override, else the base + its ID, else 0, which means a free one.
Arguments: dict "perWorker" VALUES "own" OVERRIDE "id" WORKER_ID "port" NAME
*/}}
{{- define "twister2-job.perWorkerNodePort" -}}
{{- $own := .own.nodePorts | default dict -}}
{{- if hasKey $own .port -}}
{{ int (get $own .port) }}
{{- else if hasKey .perWorker.nodePortBase .port -}}
{{ add (int (get .perWorker.nodePortBase .port)) .id }}
{{- else -}}
0
{{- end }}
{{- end }}

{{- /* `hostTemplate` of one worker. Arguments: dict "root" $ "worker" {id, pod} */}}
{{- define "twister2-job.perWorkerHost" -}}
{{ .root.Values.perWorker.hostTemplate | replace "{worker}" (toString .worker.id) | replace "{pod}" .worker.pod | replace "{job}" .root.Release.Name | replace "{namespace}" .root.Release.Namespace }}
{{- end }}

{{- /* The annotations of one worker's Service. Arguments: dict "root" $ "worker" {id, pod} "own" OVERRIDE */}}
{{- define "twister2-job.perWorkerAnnotations" -}}
{{- $perWorker := .root.Values.perWorker }}
{{- $host := .own.advertisedHost | default (include "twister2-job.perWorkerHost" .) }}
{{- $annotations := merge dict (.own.annotations | default dict) $perWorker.annotations }}
{{- include "twister2-job.exposureAnnotations" (dict "annotations" $annotations "advertisedHost" $host "advertisedPort" .own.advertisedPort "addressType" $perWorker.addressType) }}
{{- end }}
