{{- /*
What ways in behind proxies share: gateway and ingress. In their rows are `shared` and `own`, whether there is a route to any
worker and to each one, and `reads`, what the wrapper reads: API paths, see service-headless.yaml.
*/}}

{{- define "twister2-job.name.clusterIP" -}}
{{ .Release.Name }}-clusterip
{{- end }}

{{- /* Sets the ports that shared ways behind proxies lead to, by name. Arguments: dict "root" $ "into" DICT */}}
{{- define "twister2-job.proxiedPorts" -}}
{{- range .root.Job.exposed }}
{{- if get . "shared" }}
{{- range .ports }}
{{- $_ := set $.into .name . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The rest of a sentence about what is no host of a route or Ingress; nothing if it is one. Argument: the host */}}
{{- define "twister2-job.noHost" -}}
{{- if or (gt (len .) 253) (regexMatch "^[0-9.]+$" .) (not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$" .)) -}}
, and a host is a DNS name of a-z, 0-9, - and ., no IP address, with at most 63 characters between two dots
{{- end }}
{{- end }}

{{- /* The rule of a NetworkPolicy that opens the ports to proxies, as a list item. Arguments: as for "exposedRule" */}}
{{- define "twister2-job.proxiedRule" -}}
{{ include "twister2-job.rulePorts" . }}
  from:
    {{- toYaml (.root.Values.networkPolicy.proxiesFrom | default (list (dict "namespaceSelector" dict))) | nindent 4 }}
{{- end }}
