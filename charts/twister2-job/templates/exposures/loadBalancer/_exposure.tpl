{{- /* What the table of exposures wants of this one; see ../_table.tpl. */}}

{{- define "twister2-job.name.loadBalancer" -}}
{{ .Release.Name }}-loadbalancer
{{- end }}

{{- /* Sets in the row beside `ports`: `ranges`, the path of what tells clients apart in the place of networkPolicy.allowFrom. */}}
{{- define "twister2-job.loadBalancer.prepare" -}}
{{- include "twister2-job.exposedPorts" (dict "root" . "row" .Job.exposures.loadBalancer "names" .Values.loadBalancer.ports) }}
{{- $_ := set .Job.exposures.loadBalancer "ranges" "loadBalancer.sourceRanges" }}
{{- end }}

{{- define "twister2-job.loadBalancer.hint" }}a load balancer{{ end }}

{{- define "twister2-job.loadBalancer.counts" }}{{ end }}

{{- define "twister2-job.loadBalancer.rules" -}}
{{- $loadBalancer := .Values.loadBalancer }}
{{- include "twister2-job.oneWorkerAPod" (dict "root" . "switch" "loadBalancer.enabled" "reason" "a port of a load balancer reaches one port of a pod") }}
{{- include "twister2-job.cidrProblems" (dict "loadBalancer.sourceRanges" $loadBalancer.sourceRanges) }}
{{- if and (int ($loadBalancer.advertisedPort | default 0)) (not $loadBalancer.advertisedHost) }}
{{ "loadBalancer.advertisedPort: it has no effect without a host; set loadBalancer.advertisedHost too" }}
{{- end }}
{{- if and (int $loadBalancer.healthCheckNodePort) (ne $loadBalancer.externalTrafficPolicy "Local") }}
{{ "loadBalancer.healthCheckNodePort: with externalTrafficPolicy=Cluster there is none; set loadBalancer.externalTrafficPolicy=Local or leave it out" }}
{{- end }}
{{- end }}

{{- define "twister2-job.loadBalancer.nodePorts" -}}
{{- with int .root.Values.loadBalancer.healthCheckNodePort }}
{{- include "twister2-job.claimNodePort" (dict "claims" $.claims "one" (dict "path" "loadBalancer.healthCheckNodePort" "number" .)) }}
{{- end }}
{{- end }}

{{- define "twister2-job.loadBalancer.policy" -}}
{{- include "twister2-job.exposedRule" (dict "root" . "row" .Job.exposures.loadBalancer "containers" 1) }}
{{- end }}

{{- define "twister2-job.loadBalancer.target" -}}
{{- include "twister2-job.serviceTarget" (dict "root" .root "row" .root.Job.exposures.loadBalancer "host" (include "twister2-job.name.loadBalancer" .root) "workers" 0 "target" .target) }}
{{- end }}

{{- define "twister2-job.loadBalancer.notes" -}}
Outside the cluster, the workers answer at the load balancer's address; Kubernetes chooses the worker:
{{- range .Job.exposures.loadBalancer.ports }}
  {{ .name }}: port {{ .number }}
{{- end }}
  The address, or pending while there is none: kubectl --namespace {{ .Release.Namespace }} get service {{ include "twister2-job.name.loadBalancer" . }}
  Why it is pending: twister2-job address {{ .Release.Name }} --namespace {{ .Release.Namespace }}
{{- end }}
