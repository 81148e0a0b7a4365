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
{{- if $perWorker.loadBalancer.shareAddress }}
{{- $share := $perWorker.loadBalancer.shareAnnotation }}
{{- $_ := set $advertised $share ($perWorker.loadBalancer.shareValue | default (printf "%s/%s" .root.Release.Namespace .root.Release.Name)) }}
{{- $_ := set $advertised "twister2-job/share" $share }}
{{- end }}
{{- include "twister2-job.advertised" (dict "root" .root "user" $user "into" $advertised "values" (dict "type" $perWorker.type "advertisedHost" $host "advertisedPort" .own.advertisedPort "advertisedPorts" $ports "addressType" $perWorker.addressType)) }}
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

{{- /*
The rules of a NetworkPolicy for the workers with Services of their own: who asks these, and the proxies in front. Ports
behind these that nothing else outside reaches are open to the named proxies alone; to those behind a shared way the job's
own policy lets these in. Nothing if that leaves no rule. Arguments: dict "root" $ "containers" NUMBER
*/}}
{{- define "twister2-job.perWorker.opened" -}}
{{- $policy := .root.Values.networkPolicy }}
{{- $rules := list }}
{{- $proxied := list }}
{{- range .root.Job.exposed }}
{{- if get . "own" }}
{{- $rules = append $rules (include "twister2-job.proxiedRule" (dict "root" $.root "row" . "containers" $.containers)) }}
{{- end }}
{{- if or (get . "own") (get . "shared") }}
{{- range .ports }}
{{- $proxied = append $proxied .name }}
{{- end }}
{{- end }}
{{- end }}
{{- $ports := .root.Job.exposures.perWorker.ports }}
{{- if and $policy.proxiesFrom (not $policy.allowFrom) (eq .root.Values.perWorker.type "ClusterIP") }}
{{- $all := $ports }}
{{- $ports = list }}
{{- range $all }}
{{- if not (has .name $proxied) }}
{{- $ports = append $ports . }}
{{- end }}
{{- end }}
{{- end }}
{{- if $ports }}
{{- $rules = prepend $rules (include "twister2-job.exposedRule" (dict "root" .root "row" (dict "ports" $ports) "containers" .containers)) }}
{{- end }}
{{- join "\n" $rules }}
{{- end }}
