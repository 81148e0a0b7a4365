{{- /* What the table of exposures wants of this one; see ../_table.tpl. */}}

{{- /* Of the shared Ingress, or a worker's. Arguments: dict "root" $ "port" NAME "worker" WORKER_ID, left out if shared */}}
{{- define "twister2-job.name.ingress" -}}
{{ .root.Release.Name }}{{ if hasKey . "worker" }}-w-{{ .worker }}{{ end }}-{{ .port }}
{{- end }}

{{- /* Sets in the row: `ports`, of which there is one, and what ../_proxied.tpl says. */}}
{{- define "twister2-job.ingress.prepare" -}}
{{- $row := .Job.exposures.ingress }}
{{- $ingress := .Values.ingress }}
{{- $own := $ingress.perWorker.enabled }}
{{- /* Not the workers' own Services' ports if there is a shared one: it stays where it is when the workers' get theirs. */}}
{{- include "twister2-job.exposedPorts" (dict "root" . "row" $row "names" (ternary .Values.perWorker.ports list (and $own (not $ingress.shared)))) }}
{{- $ports := list }}
{{- range ternary .Job.ports $row.ports (ne $ingress.port "") }}
{{- if ternary (eq .name $ingress.port) (eq .protocol "TCP") (ne $ingress.port "") }}
{{- $ports = append $ports . }}
{{- end }}
{{- end }}
{{- $_ := set $row "ports" (slice $ports 0 (min 1 (len $ports) | int)) }}
{{- $_ := set $row "shared" $ingress.shared }}
{{- $_ := set $row "own" $own }}
{{- $own = and $own $ingress.perWorker.hostTemplate }}
{{- $_ := set $row "hosts" (dict "ingress.host" (ternary $ingress.host "" (or $ingress.shared (not $own))) "ingress.perWorker.hostTemplate" ($own | default "")) }}
{{- $_ := set $row "reads" (list "networking.k8s.io/v1/ingresses") }}
{{- range $row.ports }}
{{- $_ := set $row "names" (printf "-(w-[0-9]+-)?%s" .name) }}
{{- end }}
{{- end }}

{{- define "twister2-job.ingress.hint" }}{{ end }}

{{- define "twister2-job.ingress.counts" }}{{ end }}

{{- define "twister2-job.ingress.nodePorts" }}{{ end }}

{{- define "twister2-job.ingress.policy" -}}
{{- if .Values.ingress.shared }}
{{- include "twister2-job.proxiedRule" (dict "root" . "row" .Job.exposures.ingress "containers" 1) }}
{{- end }}
{{- end }}

{{- /* Nothing: an Ingress is reached from outside alone. */}}
{{- define "twister2-job.ingress.target" }}{{ end }}

{{- define "twister2-job.ingress.notes" -}}
{{- $ingress := .Values.ingress }}
{{- $scheme := ternary "https" "http" $ingress.tls.enabled }}
{{- $first := dict "host" "" }}
{{- if $ingress.perWorker.enabled }}
{{- include "twister2-job.ingress.place" (dict "root" $ "id" 0 "pod" (printf "%s-0" (first .Job.groups).name) "into" $first) }}
{{- end }}
{{- $record := ternary "; external-dns sets the name's DNS record" "; the name's DNS record is yours to set" .Values.externalDns.enabled }}
{{- range .Job.exposures.ingress.ports -}}
The workers' port {{ .name }} answers through an Ingress{{ with $ingress.className }} of class {{ . }}{{ end }}{{ ternary $record "" (or $ingress.shared (ne $first.host "")) }}:
{{- end }}
{{- if $ingress.shared }}
  any worker, Kubernetes chooses: {{ $scheme }}://{{ $ingress.host }}{{ $ingress.path }}
{{- end }}
{{- if $ingress.perWorker.enabled }}
  worker 0, and the others alike: {{ $scheme }}://{{ $first.host | default "ADDRESS" }}{{ $first.path }}
{{- end }}
  Whether a controller takes it, and at which address: twister2-job address {{ .Release.Name }} --namespace {{ .Release.Namespace }}
{{- end }}
