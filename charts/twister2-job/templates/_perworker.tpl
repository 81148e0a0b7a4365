{{- /* What the Services of single workers are made of. No list of the workers is made: there may be thousands. */}}

{{- /*
Which workers have a Service of their own, as JSON {"spans": [{index, first, end}], "count": NUMBER}: of each group those
from `first` up to the one before `end`. Beyond the job's last worker they are those that the last group would get next.
*/}}
{{- define "twister2-job.perWorkerSpans" -}}
{{- $spans := list }}
{{- $total := int .Values.perWorker.count | default .Job.workers }}
{{- range $group := .Job.groups }}
{{- $end := add $group.firstWorker (mul $group.instances $group.workersPerPod) | min $total }}
{{- if eq $group.index (sub (len $.Job.groups) 1 | int) }}
{{- $end = $total }}
{{- end }}
{{- if gt (int $end) $group.firstWorker }}
{{- $spans = append $spans (dict "index" $group.index "first" $group.firstWorker "end" $end) }}
{{- end }}
{{- end }}
{{- dict "spans" $spans "count" $total | toJson }}
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

{{- /* A text with its placeholders filled in for one worker. Arguments: dict "root" $ "id" WORKER_ID "pod" NAME "text" TEXT */}}
{{- define "twister2-job.placed" -}}
{{ .text | replace "{worker}" (toString .id) | replace "{pod}" .pod | replace "{job}" .root.Release.Name | replace "{namespace}" .root.Release.Namespace }}
{{- end }}

{{- /*
The labels or annotations that the user gives one worker, as YAML: those of all workers, then its own.
Arguments: dict "root" $ "id" WORKER_ID "pod" NAME "own" OVERRIDE "key" labels or annotations
*/}}
{{- define "twister2-job.perWorkerPairs" -}}
{{- $all := dict }}
{{- range list (get .root.Values.perWorker .key) (get .own .key | default dict) }}
{{- range $key, $text := . }}
{{- $_ := set $all $key (include "twister2-job.placed" (dict "root" $.root "id" $.id "pod" $.pod "text" $text)) }}
{{- end }}
{{- end }}
{{- toYaml $all }}
{{- end }}

{{- /* What the wrapper shall print for one worker, as annotations. Arguments: dict "root" $ "id" WORKER_ID "pod" NAME "own" OVERRIDE */}}
{{- define "twister2-job.perWorkerAdvertised" -}}
{{- $perWorker := .root.Values.perWorker }}
{{- $host := .own.advertisedHost | default (include "twister2-job.placed" (dict "root" .root "id" .id "pod" .pod "text" $perWorker.hostTemplate)) }}
{{- include "twister2-job.advertised" (dict "advertisedHost" $host "advertisedPort" .own.advertisedPort "addressType" $perWorker.addressType) }}
{{- end }}
