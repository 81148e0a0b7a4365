{{- /* Annotations that external-dns makes DNS records of. */}}

{{- /*
Sets them for an object whose name in DNS is `host`: a route or Ingress with hosts of its own has host "". What the user has
among the object's annotations or those of all objects stays, and an IP address is no name. external-dns reads the first prefix since 0.22, and
before only the other. Arguments: dict "root" $ "host" HOST "user" ANNOTATIONS "endpoints" TYPE "into" DICT
*/}}
{{- define "twister2-job.externalDns" -}}
{{- $dns := .root.Values.externalDns }}
{{- if and $dns.enabled (not (include "twister2-job.isAddress" .host)) }}
{{- range $prefix := list "external-dns.kubernetes.io/" "external-dns.alpha.kubernetes.io/" }}
{{- range $key, $value := dict "hostname" $.host "ttl" (ternary "" (int $dns.ttl | toString) (empty $dns.ttl)) "endpoints-type" $.endpoints }}
{{- $name := print $prefix $key }}
{{- if and $value (not (hasKey ($.user | default dict) $name)) (not (hasKey $.root.Values.commonAnnotations $name)) }}
{{- $_ := set $.into (print $prefix $key) $value }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "twister2-job.validate.externalDns" -}}
{{- $dns := .Values.externalDns }}
{{- range $key := list "ttl" "headlessHost" "endpointsType" }}
{{- if and (index $dns $key) (not $dns.enabled) }}
{{ printf "externalDns.%s: it is set, but externalDns.enabled is false; set externalDns.enabled=true or leave externalDns.%s out" $key $key }}
{{- end }}
{{- end }}
{{- if and $dns.endpointsType (not $dns.headlessHost) }}
{{ "externalDns.endpointsType: it is of the workers' own names; set externalDns.headlessHost too" }}
{{- end }}
{{- if $dns.enabled }}
{{- $hosts := dict "externalDns.headlessHost" $dns.headlessHost }}
{{- range $name, $row := .Job.exposed }}
{{- if ne (get $row.values "type") "ClusterIP" }}
{{- range $key := list "advertisedHost" "hostTemplate" }}
{{- $_ := set $hosts (print $name "." $key) (get $row.values $key) }}
{{- end }}
{{- range $id, $own := get $row.values "overrides" | default dict }}
{{- $_ := set $hosts (printf "%s.overrides.%s.advertisedHost" $name $id) $own.advertisedHost }}
{{- end }}
{{- end }}
{{- $hosts = merge $hosts (get $row "hosts" | default dict) }}
{{- end }}
{{- $named := false }}
{{- range $path, $host := $hosts }}
{{- $name := $host | default "" | toString }}
{{- if and $name (not (include "twister2-job.isAddress" $name)) }}
{{- $named = true }}
{{- if not (regexMatch "^([A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?([.]|$))+$" (regexReplaceAll "[{][a-z]*[}]" $name "0")) }}
{{ printf "%s: %s is no DNS name, of which external-dns could make a record; take letters, digits and - between single dots" $path $name }}
{{- end }}
{{- end }}
{{- end }}
{{- if include "twister2-job.isAddress" $dns.headlessHost }}
{{ printf "externalDns.headlessHost: %s is an IP address, and records are made for names; take a name, or leave it out" $dns.headlessHost }}
{{- else if not $named }}
{{ "externalDns.enabled: it is true, and nothing has a name; set advertisedHost or hostTemplate of a way in that is enabled, or externalDns.headlessHost" }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Says something if a host is an IP address, or nothing but digits and dots. Argument: the host */}}
{{- define "twister2-job.isAddress" -}}
{{- if regexMatch "^[0-9.]+$|:" . }}yes{{ end }}
{{- end }}
