{{- /* What routes and ListenerSets are made of. */}}

{{- /*
All routes of one kind: the shared ones, and those of each worker. What they share is put together once for each port.
Arguments: dict "root" $ "route" HTTP, GRPC, TLS, TCP or UDP
*/}}
{{- define "twister2-job.gateway.routes" -}}
{{- $root := .root }}
{{- $gateway := $root.Values.gateway }}
{{- range $port := $root.Job.exposures.gateway.ports }}
{{- if eq .route $.route }}
{{- $route := dict "root" $root "port" . "parents" list "refs" list }}
{{- range $key, $refs := dict "parents" $root.Job.exposures.gateway.parents "refs" $gateway.parentRefs }}
{{- range $refs }}
{{- $_ := set $route $key (append (get $route $key) (toYaml . | nindent 6 | trim) | uniq) }}
{{- end }}
{{- end }}
{{- $labels := dict }}
{{- include "twister2-job.setLabels" (dict "root" $root "component" "worker" "user" $gateway.labels "own" (dict "twister2-job/exposure" "gateway" "twister2-job/port" .name) "into" $labels) }}
{{- $_ := set $route "labels" (toYaml $labels | nindent 4) }}
{{- if $gateway.shared }}
{{- include "twister2-job.gateway.route" (dict "of" $route "name" (include "twister2-job.name.route" (dict "root" $root "port" .name)) "host" .host "service" (include "twister2-job.name.clusterIP" $root) "number" .number) }}
{{- end }}
{{- if $gateway.perWorker.enabled }}
{{- $bases := $root.Values.perWorker.servicePortBase }}
{{- $number := get $bases .name | default .number | int }}
{{- $step := ternary 1 0 (hasKey $bases .name) }}
{{- $perSet := $root.Job.exposures.gateway.perSet }}
{{- range $span := $root.Job.exposures.perWorker.spans }}
{{- range $id := untilStep .first .end 1 }}
{{- $pod := printf "%s-%d" $span.group.name (div (sub $id $span.first) $span.group.workersPerPod) }}
{{- $own := dict "of" $route "worker" $id "name" (include "twister2-job.name.route" (dict "root" $root "port" $port.name "worker" $id)) "service" (include "twister2-job.name.perWorker" (dict "root" $root "worker" $id)) "number" (add $number (mul $step $id)) "host" "" }}
{{- if $port.base }}
{{- $_ := set $own "listenerSet" (include "twister2-job.name.listenerSet" (dict "root" $root "set" (div $id $perSet))) }}
{{- $_ := set $own "section" (printf "%s-%d" $port.name $id) }}
{{- else if $port.sectionNameTemplate }}
{{- $_ := set $own "section" (include "twister2-job.placed" (dict "root" $root "id" $id "pod" $pod "text" $port.sectionNameTemplate)) }}
{{- end }}
{{- if $port.byHost }}
{{- $_ := set $own "host" (include "twister2-job.placed" (dict "root" $root "id" $id "pod" $pod "text" $port.hostTemplate)) }}
{{- end }}
{{- include "twister2-job.gateway.route" $own }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /*
One route. Arguments: dict "name" NAME "host" its host or nothing "service" NAME "number" of the Service's port "of" dict of
what all routes of a port share: "root" $ "port" PORT of the row "labels" TEXT "parents" LIST of texts "refs" the same with
their listeners. For a worker's also "worker" ID, "section" in the place of all sections, and "listenerSet" NAME in the
place of the parents.
*/}}
{{- define "twister2-job.gateway.route" -}}
{{- $port := .of.port }}
{{- $gateway := .of.root.Values.gateway }}
{{- $advertised := dict }}
{{- $stable := or $port.byHost (not (hasKey . "worker")) }}
{{- include "twister2-job.advertised" (dict "root" .of.root "user" $gateway.annotations "into" $advertised "values" (dict "advertisedHost" (ternary "" (ternary "" $port.host $port.byHost | default $gateway.advertisedHost) (and $port.byHost (ne .host ""))) "advertisedPort" (ternary $port.advertisedPort 0 $stable))) }}
{{- if and $port.byHost .host }}
{{- include "twister2-job.externalDns" (dict "root" .of.root "host" "" "user" $gateway.annotations "into" $advertised) }}
{{- end }}
---
apiVersion: {{ ternary "gateway.networking.k8s.io/v1" $gateway.apiVersion (has $port.route (list "HTTP" "GRPC")) | quote }}
kind: {{ $port.route }}Route
metadata:
  name: {{ .name | quote }}
  labels:
    {{- .of.labels }}
    {{- if hasKey . "worker" }}
    twister2-job/worker: {{ .worker | quote }}
    {{- end }}
  {{- include "twister2-job.annotations" (dict "root" .of.root "user" $gateway.annotations "own" $advertised) | nindent 2 }}
spec:
  parentRefs:
    {{- if .listenerSet }}
    - group: gateway.networking.k8s.io
      kind: ListenerSet
      name: {{ .listenerSet | quote }}
      sectionName: {{ .section | quote }}
    {{- else }}
    {{- $section := .section | default $port.sectionName }}
    {{- range ternary .of.parents .of.refs (ne $section "") }}
    - {{ . }}
      {{- with $section }}
      sectionName: {{ . | quote }}
      {{- end }}
    {{- end }}
    {{- end }}
  {{- if and $port.byHost .host }}
  hostnames:
    - {{ .host | quote }}
  {{- end }}
  rules:
    - backendRefs:
        - name: {{ .service | quote }}
          port: {{ .number }}
{{- end }}
