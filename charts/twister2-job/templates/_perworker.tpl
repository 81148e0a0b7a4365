{{- /* What the Services of single workers are made of. No list of the workers is made: there may be thousands. */}}

{{- /*
Which workers have a Service of their own, as JSON {"spans": [{index, first, end}]}: of each group those from `first` up to
the one before `end`. Beyond the job's last worker they are those that the last group would get next.
*/}}
{{- define "twister2-job.perWorkerSpans" -}}
{{- $spans := list }}
{{- range $group := .Job.groups }}
{{- $end := add $group.firstWorker (mul $group.instances $group.workersPerPod) | min $.Job.services }}
{{- if eq $group.index (sub (len $.Job.groups) 1 | int) }}
{{- $end = $.Job.services }}
{{- end }}
{{- if gt (int $end) $group.firstWorker }}
{{- $spans = append $spans (dict "index" $group.index "first" $group.firstWorker "end" $end) }}
{{- end }}
{{- end }}
{{- dict "spans" $spans | toJson }}
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

{{- /*
The annotations of one worker's Service, as its field: the user's, and what the wrapper shall print.
Arguments: dict "root" $ "id" WORKER_ID "pod" NAME "own" OVERRIDE
*/}}
{{- define "twister2-job.perWorkerAnnotations" -}}
{{- $perWorker := .root.Values.perWorker }}
{{- $user := include "twister2-job.perWorkerPairs" (dict "root" .root "id" .id "pod" .pod "own" .own "key" "annotations") | fromYaml }}
{{- $host := .own.advertisedHost | default (include "twister2-job.placed" (dict "root" .root "id" .id "pod" .pod "text" $perWorker.hostTemplate)) }}
{{- $ports := dict }}
{{- range $name, $base := $perWorker.advertisedPortBase }}
{{- $_ := set $ports $name (add (int $base) $.id) }}
{{- end }}
{{- $advertised := include "twister2-job.advertised" (dict "advertisedHost" $host "advertisedPort" .own.advertisedPort "advertisedPorts" $ports "addressType" $perWorker.addressType) | fromYaml }}
{{- include "twister2-job.annotations" (dict "root" .root "user" $user "own" $advertised) }}
{{- end }}

{{- /* Says something if labels, annotations or host of the workers hold placeholders, so that each worker has others. */}}
{{- define "twister2-job.perWorkerDiffer" -}}
{{- $perWorker := .Values.perWorker }}
{{- $texts := concat (values $perWorker.labels) (values $perWorker.annotations) (list $perWorker.hostTemplate) }}
{{- if or $perWorker.advertisedPortBase (contains "{" (join " " $texts)) -}}
yes
{{- end }}
{{- end }}
