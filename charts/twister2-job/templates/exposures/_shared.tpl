{{- /* What objects of several exposures are made of. */}}

{{- /* The fields that Services of any type have. Argument: the values of the Service. */}}
{{- define "twister2-job.serviceFields" -}}
{{- with .ipFamilyPolicy }}
ipFamilyPolicy: {{ . | quote }}
{{- end }}
{{- with .ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The fields that every Service with a way in has. Argument: the values of the exposure. */}}
{{- define "twister2-job.exposureFields" -}}
{{- if ne (.type | default "") "ClusterIP" }}
externalTrafficPolicy: {{ .externalTrafficPolicy | quote }}
{{- end }}
internalTrafficPolicy: {{ .internalTrafficPolicy | quote }}
sessionAffinity: {{ .sessionAffinity | quote }}
publishNotReadyAddresses: {{ .publishNotReadyAddresses }}
{{ include "twister2-job.serviceFields" . | trim }}
{{- end }}

{{- /* The fields of a Service of type LoadBalancer. Argument: its values */}}
{{- define "twister2-job.loadBalancerFields" -}}
allocateLoadBalancerNodePorts: {{ .allocateNodePorts }}
{{- with .class }}
loadBalancerClass: {{ . | quote }}
{{- end }}
{{- with .sourceRanges }}
loadBalancerSourceRanges:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with get . "healthCheckNodePort" | int }}
healthCheckNodePort: {{ . }}
{{- end }}
{{- end }}

{{- /*
Says something if workers see a node's address in the place of the client's: a node asked at its node port may pass the
connection on to another node's worker, unless the policy is Local. Argument: the values of the exposure.
*/}}
{{- define "twister2-job.hidesClient" -}}
{{- if and (hasKey . "externalTrafficPolicy") (ne (get . "type" | default "") "ClusterIP") (ne .externalTrafficPolicy "Local") -}}
yes
{{- end }}
{{- end }}

{{- /*
Sets annotations of a Service: what the wrapper shall print, and the host for external-dns.
Arguments: dict "root" $ "values" VALUES of the exposure "user" ANNOTATIONS of the user's "into" DICT
*/}}
{{- define "twister2-job.advertised" -}}
{{- $into := .into }}
{{- if and .values.advertisedHost (ne (get .values "type") "ClusterIP") }}
{{- include "twister2-job.externalDns" (dict "root" .root "host" .values.advertisedHost "user" .user "into" $into) }}
{{- end }}
{{- with .values.advertisedHost }}
{{- $_ := set $into "twister2-job/advertised-host" . }}
{{- end }}
{{- with int .values.advertisedPort }}
{{- $_ := set $into "twister2-job/advertised-port" (toString .) }}
{{- end }}
{{- range $name, $number := .values.advertisedPorts }}
{{- $_ := set $into (print "twister2-job/advertised-port-" $name) (toString $number) }}
{{- end }}
{{- with .values.addressType }}
{{- $_ := set $into "twister2-job/address-type" . }}
{{- end }}
{{- end }}

{{- /* The ports of such a rule. Arguments: as for "exposedRule" */}}
{{- define "twister2-job.rulePorts" -}}
- ports:
    {{- range $container := until (int .containers) }}
    {{- range $port := $.row.ports }}
    - port: {{ include "twister2-job.portNumber" (dict "root" $.root "container" $container "port" $port) }}
      protocol: {{ $port.protocol | quote }}
    {{- end }}
    {{- end }}
{{- end }}

{{- /*
The rule of a NetworkPolicy that opens the exposed ports, as a list item.
Arguments: dict "root" $ "row" ROW "containers" NUMBER_OF_WORKERS_IN_A_POD
*/}}
{{- define "twister2-job.exposedRule" -}}
{{ include "twister2-job.rulePorts" . }}
  {{- with .root.Values.networkPolicy.allowFrom }}
  from:
    {{- range . }}
    - ipBlock:
        cidr: {{ . | quote }}
    {{- end }}
  {{- end }}
{{- end }}

{{- /*
Sets what `helm test` connects to by a Service: the number of each TCP port, and what a worker's ID is multiplied with and
added. With internalTrafficPolicy Local only workers of the test pod's own node would answer, so nothing is set.
Arguments: dict "root" $ "row" ROW "host" NAME of the Service "workers" NUMBER of workers with one each, or 0 "target" DICT
*/}}
{{- define "twister2-job.serviceTarget" -}}
{{- if ne .row.values.internalTrafficPolicy "Local" }}
{{- $bases := get .row.values "servicePortBase" | default dict }}
{{- $ports := dict }}
{{- range .row.ports }}
{{- if eq .protocol "TCP" }}
{{- $_ := set $ports .name (list (get $bases .name | default .number | int) (ternary 1 0 (hasKey $bases .name))) }}
{{- end }}
{{- end }}
{{- range $key, $value := dict "host" (printf "%s.%s.svc" .host .root.Release.Namespace) "ports" $ports "workers" .workers }}
{{- $_ := set $.target $key $value }}
{{- end }}
{{- end }}
{{- end }}
