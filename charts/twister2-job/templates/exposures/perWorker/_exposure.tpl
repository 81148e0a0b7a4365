{{- /* What the table of exposures wants of this one; see ../_table.tpl. */}}

{{- /* Arguments: dict "root" $ "worker" WORKER_ID */}}
{{- define "twister2-job.name.perWorker" -}}
{{ .root.Release.Name }}-w-{{ .worker }}
{{- end }}

{{- define "twister2-job.name.networkPolicyPerWorker" -}}
{{ .Release.Name }}-perworker
{{- end }}

{{- /*
Sets in the row beside `ports`: `services`, the number of Services, and `spans`, which workers have one: of each group
(`group`) those from `first` up to the one before `end`. Beyond the job's last worker they are those that the last group
would get next. No list of the workers is made: there may be thousands. `ranges` is as in ../loadBalancer.
*/}}
{{- define "twister2-job.perWorker.prepare" -}}
{{- $row := .Job.exposures.perWorker }}
{{- include "twister2-job.exposedPorts" (dict "root" . "row" $row "names" .Values.perWorker.ports) }}
{{- $services := int .Values.perWorker.count | default .Job.workers }}
{{- $spans := list }}
{{- range $group := .Job.groups }}
{{- $end := add $group.firstWorker (mul $group.instances $group.workersPerPod) | min $services | int }}
{{- if eq $group.index (sub (len $.Job.groups) 1 | int) }}
{{- $end = $services }}
{{- end }}
{{- if gt $end $group.firstWorker }}
{{- $spans = append $spans (dict "group" $group "first" $group.firstWorker "end" $end) }}
{{- end }}
{{- end }}
{{- $_ := set $row "services" $services }}
{{- $_ := set $row "spans" $spans }}
{{- if eq .Values.perWorker.type "LoadBalancer" }}
{{- $_ := set $row "ranges" "perWorker.loadBalancer.sourceRanges" }}
{{- end }}
{{- end }}

{{- define "twister2-job.perWorker.hint" }}one for each worker{{ end }}

{{- /* Its pods may be some of the job's, so it has a NetworkPolicy of its own. */}}
{{- define "twister2-job.perWorker.policy" }}{{ end }}

{{- define "twister2-job.perWorker.target" -}}
{{- $row := .root.Job.exposures.perWorker }}
{{- $host := include "twister2-job.name.perWorker" (dict "root" .root "worker" "{worker}") }}
{{- include "twister2-job.serviceTarget" (dict "root" .root "row" $row "host" $host "workers" (min $row.services .root.Job.workers | int) "target" .target) }}
{{- $closed := list }}
{{- range $id, $own := .root.Values.perWorker.overrides }}
{{- if $own.closed }}
{{- $closed = append $closed (int $id) }}
{{- end }}
{{- end }}
{{- if and $closed .target }}
{{- $_ := set .target "closed" $closed }}
{{- end }}
{{- end }}

{{- define "twister2-job.perWorker.notes" -}}
{{- $perWorker := .Values.perWorker }}
{{- $services := .Job.exposures.perWorker.services }}
{{- $first := include "twister2-job.name.perWorker" (dict "root" . "worker" 0) -}}
Each worker has a Service of its own, {{ $first }} and so on, so the client chooses the worker:
{{- range .Job.exposures.perWorker.ports }}
{{- $base := get $perWorker.nodePortBase .name }}
{{- if eq $perWorker.type "ClusterIP" }}
  {{ .name }} of worker 0, inside the cluster: {{ $first }}.{{ $.Release.Namespace }}.svc:{{ get $perWorker.servicePortBase .name | default .number }}
{{- else if eq $perWorker.type "LoadBalancer" }}
  {{ .name }} of worker 0: port {{ get $perWorker.servicePortBase .name | default .number }} of the load balancer that kubectl --namespace {{ $.Release.Namespace }} get service {{ $first }} shows
{{- else if $base }}
  {{ .name }}: node port {{ $base }} + worker ID
{{- else }}
  {{ .name }} of worker 0: kubectl --namespace {{ $.Release.Namespace }} get service {{ $first }} -o 'jsonpath={.spec.ports[?(@.name=="{{ .name }}")].nodePort}'
{{- end }}
{{- end }}
{{- if gt $services .Job.workers }}
  Reserved for workers that the job may get later: {{ sub $services .Job.workers }} of {{ $services }} Services.
{{- end }}
{{- range $id, $own := $perWorker.overrides }}
{{- if $own.closed }}
  Worker {{ $id }} is closed: its Service keeps its number and leads to nothing.
{{- end }}
{{- if ge (int $id) $services }}
  perWorker.overrides.{{ $id }} is ignored until the job has a Service for worker {{ $id }}; now there are {{ $services }}, from worker 0 on.
{{- end }}
{{- end }}
  All addresses in one go: twister2-job address {{ .Release.Name }} --namespace {{ .Release.Namespace }}
{{- end }}
