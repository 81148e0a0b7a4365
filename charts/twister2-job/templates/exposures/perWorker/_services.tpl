{{- /* What the Services of single workers are made of. */}}

{{- /* A text with its placeholders filled in for one worker. Arguments: dict "root" $ "id" WORKER_ID "pod" NAME "text" TEXT */}}
{{- define "twister2-job.placed" -}}
{{ .text | replace "{worker}" (toString .id) | replace "{pod}" .pod | replace "{job}" .root.Release.Name | replace "{namespace}" .root.Release.Namespace }}
{{- end }}

{{- /*
Sets the labels or annotations that the user gives one worker: those of all workers, then its own.
Arguments: dict "root" $ "id" WORKER_ID "pod" NAME "own" OVERRIDE "key" labels or annotations "into" DICT
*/}}
{{- define "twister2-job.perWorker.pairs" -}}
{{- range list (get .root.Values.perWorker .key) (get .own .key | default dict) }}
{{- range $key, $text := . }}
{{- $_ := set $.into $key (include "twister2-job.placed" (dict "root" $.root "id" $.id "pod" $.pod "text" $text)) }}
{{- end }}
{{- end }}
{{- end }}

{{- /*
The annotations of one worker's Service, as its field: the user's, and what the wrapper shall print.
Arguments: dict "root" $ "id" WORKER_ID "pod" NAME "own" OVERRIDE
*/}}
{{- define "twister2-job.perWorker.annotations" -}}
{{- $perWorker := .root.Values.perWorker }}
{{- $user := dict }}
{{- include "twister2-job.perWorker.pairs" (dict "root" .root "id" .id "pod" .pod "own" .own "key" "annotations" "into" $user) }}
{{- $host := .own.advertisedHost | default (include "twister2-job.placed" (dict "root" .root "id" .id "pod" .pod "text" $perWorker.hostTemplate)) }}
{{- $ports := dict }}
{{- range $name, $base := $perWorker.advertisedPortBase }}
{{- $_ := set $ports $name (add (int $base) $.id) }}
{{- end }}
{{- $advertised := dict }}
{{- include "twister2-job.advertised" (dict "into" $advertised "values" (dict "advertisedHost" $host "advertisedPort" .own.advertisedPort "advertisedPorts" $ports "addressType" $perWorker.addressType)) }}
{{- include "twister2-job.annotations" (dict "root" .root "user" $user "own" $advertised) }}
{{- end }}

{{- /* Says something if labels, annotations or host of the workers hold placeholders, so that each worker has others. */}}
{{- define "twister2-job.perWorker.differ" -}}
{{- $perWorker := .Values.perWorker }}
{{- $texts := concat (values $perWorker.labels) (values $perWorker.annotations) (list $perWorker.hostTemplate) }}
{{- if or $perWorker.advertisedPortBase (contains "{" (join " " $texts)) -}}
yes
{{- end }}
{{- end }}
