{{- /* What the exposures (the ways in from outside the cluster) share. */}}

{{- /*
The exposed ports, as JSON {"ports": [...]}: those that `ports` of the exposure names, in its order, or all. A Twister2
job's worker port is not among them while there are others: strangers who connect to it can end the worker.
Arguments: dict "root" $ "exposure" VALUES
*/}}
{{- define "twister2-job.exposedPorts" -}}
{{- $all := .root.Job.ports }}
{{- $ports := $all }}
{{- if .exposure.ports }}
{{- $ports = list }}
{{- range $name := .exposure.ports }}
{{- range $all }}
{{- if eq .name (toString $name) }}
{{- $ports = append $ports . }}
{{- end }}
{{- end }}
{{- end }}
{{- else if and (gt (len $all) 1) (eq .root.Job.mode "twister2") }}
{{- $ports = rest $all }}
{{- end }}
{{- dict "ports" $ports | toJson }}
{{- end }}

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

{{- /* What the wrapper shall print, as annotations. Argument: the values of the exposure. */}}
{{- define "twister2-job.advertised" -}}
{{- $annotations := dict }}
{{- with .advertisedHost }}
{{- $_ := set $annotations "twister2-job/advertised-host" . }}
{{- end }}
{{- with int .advertisedPort }}
{{- $_ := set $annotations "twister2-job/advertised-port" (toString .) }}
{{- end }}
{{- range $name, $number := .advertisedPorts }}
{{- $_ := set $annotations (print "twister2-job/advertised-port-" $name) (toString $number) }}
{{- end }}
{{- with .addressType }}
{{- $_ := set $annotations "twister2-job/address-type" . }}
{{- end }}
{{- toYaml $annotations }}
{{- end }}

{{- /*
The rule of a NetworkPolicy that opens the exposed ports, as a list item.
Arguments: dict "root" $ "exposure" VALUES "containers" NUMBER_OF_WORKERS_IN_A_POD
*/}}
{{- define "twister2-job.exposedRule" -}}
- ports:
    {{- $ports := (include "twister2-job.exposedPorts" . | fromJson).ports }}
    {{- range $container := until (int .containers) }}
    {{- range $port := $ports }}
    - port: {{ include "twister2-job.portNumber" (dict "root" $.root "container" $container "port" $port) }}
      protocol: {{ $port.protocol | quote }}
    {{- end }}
    {{- end }}
  {{- with .root.Values.networkPolicy.allowFrom }}
  from:
    {{- range . }}
    - ipBlock:
        cidr: {{ . | quote }}
    {{- end }}
  {{- end }}
{{- end }}
