{{- /* What the table of exposures wants of this one; see ../_table.tpl. */}}

{{- define "twister2-job.name.nodePort" -}}
{{ .Release.Name }}-nodeport
{{- end }}

{{- define "twister2-job.nodePort.prepare" -}}
{{- include "twister2-job.exposedPorts" (dict "root" . "row" .Job.exposures.nodePort "names" .Values.nodePort.ports) }}
{{- end }}

{{- define "twister2-job.nodePort.hint" }}a node port{{ end }}

{{- define "twister2-job.nodePort.counts" }}{{ end }}

{{- define "twister2-job.nodePort.rules" -}}
{{- include "twister2-job.oneWorkerAPod" (dict "root" . "switch" "nodePort.enabled" "reason" "a node port reaches one port of a pod") }}
{{- if and (int (.Values.nodePort.advertisedPort | default 0)) (not .Values.nodePort.advertisedHost) }}
{{ "nodePort.advertisedPort: it has no effect without a host; set nodePort.advertisedHost too" }}
{{- end }}
{{- end }}

{{- define "twister2-job.nodePort.nodePorts" -}}
{{- $claims := .claims }}
{{- $nodePort := .root.Values.nodePort }}
{{- if int $nodePort.port }}
{{- with first .root.Job.exposures.nodePort.ports }}
{{- if hasKey $nodePort.nodePorts .name }}
{{ printf "nodePort.nodePorts.%s: nodePort.port gives the node port of this port already; set one of the two" .name }}
{{- end }}
{{- end }}
{{- include "twister2-job.claimNodePort" (dict "claims" $claims "one" (dict "path" "nodePort.port" "number" (int $nodePort.port))) }}
{{- end }}
{{- range $name, $number := $nodePort.nodePorts }}
{{- include "twister2-job.claimNodePort" (dict "claims" $claims "one" (dict "path" (printf "nodePort.nodePorts.%s" $name) "number" (int $number))) }}
{{- end }}
{{- end }}

{{- /* The node port that the values give a port of the Service; 0 if none. Arguments: dict "root" $ "k" INDEX "port" PORT */}}
{{- define "twister2-job.nodePort.fixed" -}}
{{- $nodePort := .root.Values.nodePort }}
{{- int (ternary $nodePort.port (get $nodePort.nodePorts .port.name) (and (eq .k 0) (gt (int $nodePort.port) 0))) }}
{{- end }}

{{- define "twister2-job.nodePort.policy" -}}
{{- include "twister2-job.exposedRule" (dict "root" . "row" .Job.exposures.nodePort "containers" 1) }}
{{- end }}

{{- define "twister2-job.nodePort.target" -}}
{{- include "twister2-job.serviceTarget" (dict "root" .root "row" .root.Job.exposures.nodePort "host" (include "twister2-job.name.nodePort" .root) "workers" 0 "target" .target) }}
{{- end }}

{{- define "twister2-job.nodePort.notes" -}}
Outside the cluster, the workers answer at any node's address{{ if eq .Values.nodePort.externalTrafficPolicy "Local" }} that has a ready worker{{ end }} and this node port; Kubernetes chooses the worker:
{{- range $k, $port := .Job.exposures.nodePort.ports }}
{{- $fixed := include "twister2-job.nodePort.fixed" (dict "root" $ "k" $k "port" $port) | int }}
{{- if $fixed }}
  {{ $port.name }}: {{ $fixed }}
{{- else }}
  {{ $port.name }}: kubectl --namespace {{ $.Release.Namespace }} get service {{ include "twister2-job.name.nodePort" $ }} -o 'jsonpath={.spec.ports[?(@.name=="{{ $port.name }}")].nodePort}'
{{- end }}
{{- end }}
  The nodes' addresses: kubectl get nodes -o wide
  All of it in one go: twister2-job address {{ .Release.Name }} --namespace {{ .Release.Namespace }}
{{- end }}
