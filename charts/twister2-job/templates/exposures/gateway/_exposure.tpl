{{- /* What the table of exposures wants of this one; see ../_table.tpl. */}}

{{- /* Of a route: shared, or a worker's. Arguments: dict "root" $ "port" NAME "worker" WORKER_ID, left out if shared */}}
{{- define "twister2-job.name.route" -}}
{{ .root.Release.Name }}{{ if hasKey . "worker" }}-w-{{ .worker }}{{ end }}-{{ .port }}
{{- end }}

{{- /* Arguments: dict "root" $ "set" INDEX */}}
{{- define "twister2-job.name.listenerSet" -}}
{{ .root.Release.Name }}-{{ .set }}
{{- end }}

{{- /*
Sets in the row: `ports`, each with its `route`, what else `gateway.ports` has of it or what all have in its place, `base`
(of its own listeners, 0 if it has none), `byHost`, and `class` (routes of one class and listener need hosts of their own);
`listeners` (how many a worker has), `perSet` (how many workers have theirs in one ListenerSet), `refs` (of each parentRef, in
their order, `parent`, which tells one parent from another, `section` and `port`), `parents` (the parentRefs, each once, without
listeners), `gateways` (their names), and what ../_proxied.tpl and ../_externalDns.tpl say.
*/}}
{{- define "twister2-job.gateway.prepare" -}}
{{- $row := .Job.exposures.gateway }}
{{- $gateway := .Values.gateway }}
{{- $perWorker := $gateway.perWorker }}
{{- $names := list }}
{{- $all := list }}
{{- range .Job.ports }}
{{- $all = append $all .name }}
{{- if hasKey $gateway.ports .name }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}
{{- /* Of ports that are not exposed now too: the day they are, Helm would keep one of two objects of one name. */}}
{{- $_ := set $row "names" (printf "-(w-[0-9]+-)?(%s)" (join "|" $all)) }}
{{- include "twister2-job.exposedPorts" (dict "root" . "row" $row "names" $names) }}
{{- $ports := list }}
{{- $listeners := 0 }}
{{- range $row.ports }}
{{- $own := get $gateway.ports .name | default dict }}
{{- $route := $own.route | default .protocol | toString }}
{{- $base := ternary (get $perWorker.listenerSet.portBase .name | default 0 | int) 0 $perWorker.listenerSet.enabled }}
{{- if $base }}
{{- $listeners = add1 $listeners }}
{{- end }}
{{- $byHost := has $route (list "HTTP" "GRPC" "TLS") }}
{{- $port := dict "name" .name "protocol" .protocol "number" .number "route" $route "base" $base "class" (get (dict "HTTP" "HTTP or GRPC" "GRPC" "HTTP or GRPC") $route | default $route) "byHost" $byHost }}
{{- /* Routes by host share a listener, so only a port's own template gives them one for each worker. */}}
{{- range $key, $default := dict "sectionName" "" "host" $gateway.host "hostTemplate" $perWorker.hostTemplate "sectionNameTemplate" (ternary "" $perWorker.sectionNameTemplate $byHost) }}
{{- $_ := set $port $key (get $own $key | default $default | toString) }}
{{- end }}
{{- $_ := set $port "advertisedPort" (get $own "advertisedPort" | default $gateway.advertisedPort | int) }}
{{- $ports = append $ports $port }}
{{- end }}
{{- $_ := set $row "ports" $ports }}
{{- $_ := set $row "listeners" $listeners }}
{{- $_ := set $row "perSet" (div 64 (max 1 $listeners) | max 1 | int) }}
{{- $_ := set $row "shared" $gateway.shared }}
{{- $_ := set $row "own" $perWorker.enabled }}
{{- $version := "gateway.networking.k8s.io/v1" }}
{{- $reads := ternary (list (print $version "/listenersets")) list (and $perWorker.enabled (gt $listeners 0)) }}
{{- range $ports }}
{{- $reads = append $reads (printf "%s/%sroutes" (ternary $version $gateway.apiVersion (has .route (list "HTTP" "GRPC"))) (lower .route)) }}
{{- end }}
{{- $parents := list }}
{{- $gateways := list }}
{{- $seen := list }}
{{- $refs := list }}
{{- range $gateway.parentRefs }}
{{- $name := printf "%s/%v" (get . "namespace" | default $.Release.Namespace) (get . "name") }}
{{- $gateways = append $gateways $name | uniq }}
{{- $parent := print (get . "group" | default "gateway.networking.k8s.io") " " (get . "kind" | default "Gateway") " " $name }}
{{- $refs = append $refs (dict "parent" $parent "section" (get . "sectionName" | default "") "port" (get . "port" | default 0 | int)) }}
{{- $at := print $parent " " (get . "port") }}
{{- if not (has $at $seen) }}
{{- $parents = append $parents (omit . "sectionName") }}
{{- end }}
{{- $seen = append $seen $at }}
{{- if eq (get . "kind" | default "Gateway") "Gateway" }}
{{- $reads = append $reads (printf "%s/namespaces/%s/gateways/%v" $version (get . "namespace" | default $.Release.Namespace) (get . "name")) }}
{{- end }}
{{- end }}
{{- $_ := set $row "reads" (uniq $reads) }}
{{- $hosts := dict }}
{{- $_ := set $row "refs" $refs }}
{{- $_ := set $row "parents" $parents }}
{{- $_ := set $row "gateways" $gateways }}
{{- range $ports }}
{{- $_ := set $hosts (printf "gateway.ports.%s.host" .name) (ternary .host "" (or $gateway.shared (not .byHost))) }}
{{- $_ := set $hosts (printf "gateway.ports.%s.hostTemplate" .name) (ternary .hostTemplate "" (and $perWorker.enabled .byHost)) }}
{{- end }}
{{- $_ := set $row "hosts" $hosts }}
{{- end }}

{{- define "twister2-job.gateway.hint" }}{{ end }}

{{- define "twister2-job.gateway.counts" }}{{ end }}

{{- define "twister2-job.gateway.nodePorts" }}{{ end }}

{{- define "twister2-job.gateway.target" }}{{ end }}

{{- define "twister2-job.gateway.policy" -}}
{{- if .Values.gateway.shared }}
{{- include "twister2-job.proxiedRule" (dict "root" . "row" .Job.exposures.gateway "containers" 1) }}
{{- end }}
{{- end }}

{{- define "twister2-job.gateway.notes" -}}
{{- $gateway := .Values.gateway }}
{{- $row := .Job.exposures.gateway }}
The job has routes to the Gateway {{ join ", " $row.gateways }}:
{{- range $port := $row.ports }}
{{- if $gateway.shared }}
  {{ .name }}, Kubernetes chooses the worker: {{ .route }}Route {{ include "twister2-job.name.route" (dict "root" $ "port" .name) }}{{ with .host }}, host {{ . }}{{ end }}
{{- end }}
{{- if $gateway.perWorker.enabled }}
  {{ .name }} of worker 0: {{ .route }}Route {{ include "twister2-job.name.route" (dict "root" $ "port" .name "worker" 0) }}
  {{- if .base }}, port {{ .base }} + worker ID{{ else if .byHost }}, host {{ include "twister2-job.placed" (dict "root" $ "id" 0 "pod" (printf "%s-0" (first $.Job.groups).name) "text" .hostTemplate) }}{{ end }}
{{- end }}
{{- end }}
  Whether the Gateway takes them, and at which address: twister2-job address {{ .Release.Name }} --namespace {{ .Release.Namespace }}
{{- end }}
