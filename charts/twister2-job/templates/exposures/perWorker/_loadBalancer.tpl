{{- /* The rules of `perWorker.loadBalancer`; see ../_table.tpl and _validate.tpl. */}}

{{- define "twister2-job.perWorker.loadBalancer" -}}
{{- $perWorker := .Values.perWorker }}
{{- $balancer := $perWorker.loadBalancer }}
{{- if ne $perWorker.type "LoadBalancer" }}
{{- range $key, $value := $balancer }}
{{- if ne (toJson $value) (index $.Job.defaults.perWorker.loadBalancer $key | toJson) }}
{{ printf "perWorker.loadBalancer.%s: it has no effect with perWorker.type=%s; set perWorker.type=LoadBalancer or leave it out" $key $perWorker.type }}
{{- end }}
{{- end }}
{{- else }}
{{- include "twister2-job.cidrProblems" (dict "perWorker.loadBalancer.sourceRanges" $balancer.sourceRanges) }}
{{- include "twister2-job.perWorker.oneHost" . }}
{{- if not $balancer.allocateNodePorts }}
{{- if $perWorker.nodePortBase }}
{{ "perWorker.nodePortBase: perWorker.loadBalancer.allocateNodePorts=false is for Services without node ports; leave one of the two out" }}
{{- end }}
{{- range $id, $own := $perWorker.overrides }}
{{- if $own.nodePorts }}
{{ printf "perWorker.overrides.%s.nodePorts: perWorker.loadBalancer.allocateNodePorts=false is for Services without node ports; leave one of the two out" $id }}
{{- end }}
{{- end }}
{{- end }}
{{- if $balancer.shareAddress }}
{{- if not $balancer.shareAnnotation }}
{{ "perWorker.loadBalancer.shareAddress: controllers learn of it by an annotation of theirs; set perWorker.loadBalancer.shareAnnotation, such as metallb.io/allow-shared-ip" }}
{{- end }}
{{- $key := toString $balancer.shareAnnotation }}
{{- if hasPrefix "twister2-job/" $key }}
{{ printf "perWorker.loadBalancer.shareAnnotation: %s is the chart's own, and no controller knows it; take your controller's, such as metallb.io/allow-shared-ip" $key }}
{{- end }}
{{- range $path, $map := .Job.annotations }}
{{- if and (regexMatch "^(commonA|perWorker[.](.*[.])?a)nnotations$" $path) (hasKey $map $key) }}
{{ printf "%s: %s is perWorker.loadBalancer.shareAnnotation, so the chart sets it; set perWorker.loadBalancer.shareValue, and leave it out here" $path $key }}
{{- end }}
{{- end }}
{{- if eq $perWorker.externalTrafficPolicy "Local" }}
{{ "perWorker.loadBalancer.shareAddress: with externalTrafficPolicy=Local each worker's address leads to its own node, so none can be shared; set perWorker.externalTrafficPolicy=Cluster, or leave it out" }}
{{- end }}
{{- range .Job.exposures.perWorker.ports }}
{{- if not (hasKey $perWorker.servicePortBase .name) }}
{{ printf "perWorker.loadBalancer.shareAddress: on one address each worker needs a number of its own; set perWorker.servicePortBase.%s" .name }}
{{- end }}
{{- end }}
{{- else }}
{{- range $key := list "shareAnnotation" "shareValue" }}
{{- if index $balancer $key }}
{{ printf "perWorker.loadBalancer.%s: it has no effect without perWorker.loadBalancer.shareAddress; set it to true, or leave %s out" $key $key }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Refuses one host for load balancers that differ in their address alone. Argument: $ */}}
{{- define "twister2-job.perWorker.oneHost" -}}
{{- $perWorker := .Values.perWorker }}
{{- $services := .Job.exposures.perWorker.services }}
{{- $one := true }}
{{- range .Job.groups }}
{{- $one = and $one (eq (int .workersPerPod) 1) }}
{{- end }}
{{- $apart := 1 }}
{{- range $id, $own := $perWorker.overrides }}
{{- if and (lt (int $id) $services) (or $own.advertisedHost $own.advertisedPort) }}
{{- $apart = add1 $apart | int }}
{{- end }}
{{- end }}
{{- if and $perWorker.hostTemplate (not (regexMatch (ternary "[{](worker|pod)[}]" "[{]worker[}]" $one) $perWorker.hostTemplate)) (lt $apart $services) }}
{{- range .Job.exposures.perWorker.ports }}
{{- if not (or (hasKey $perWorker.servicePortBase .name) (hasKey $perWorker.advertisedPortBase .name)) }}
{{ printf "perWorker.hostTemplate: %s is one host for several workers, and their port %s has one number; put {worker} into it, or set perWorker.advertisedPortBase.%s" $perWorker.hostTemplate .name .name }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
