{{- /* The rules of who may connect to whom that the schema can't say; see _validate.tpl. */}}
{{- define "twister2-job.validate.networkPolicy" -}}
{{- $egress := .Values.networkPolicy.egress }}
{{- if and $egress.enabled (not .Values.networkPolicy.enabled) }}
{{ "networkPolicy.egress.enabled: it is true, but networkPolicy.enabled is false; set networkPolicy.enabled=true or leave networkPolicy.egress out" }}
{{- end }}
{{- range $key := list "rules" "apiServerCidrs" }}
{{- if and (index $egress $key) (not $egress.enabled) }}
{{ printf "networkPolicy.egress.%s: it is set, but networkPolicy.egress.enabled is false; set networkPolicy.egress.enabled=true or leave networkPolicy.egress.%s out" $key $key }}
{{- end }}
{{- end }}
{{- range $k, $rule := $egress.rules }}
{{- /* Kubernetes takes an empty list for all peers or all ports, and so an empty port. */}}
{{- range $key, $list := $rule }}
{{- $path := printf "networkPolicy.egress.rules[%d].%s" $k $key }}
{{- if not (has $key (list "ports" "to")) }}
{{ printf "%s: a rule has no such key, and Kubernetes would let the pods connect to everything; name peers in `to` or ports in `ports`" $path }}
{{- else if not (and (kindIs "slice" $list) $list) }}
{{ printf "%s: it is empty or no list, which Kubernetes takes for all %s; name some, or leave %s out" $path (ternary "peers" "ports" (eq $key "to")) $key }}
{{- else if ne (len $list) (len (compact $list)) }}
{{ printf "%s: an entry is empty, which names nothing; fill it in or leave it out" $path }}
{{- end }}
{{- end }}
{{- if not $rule }}
{{ printf "networkPolicy.egress.rules[%d]: it is empty, which would let the pods connect to everything; name peers or ports in it, or set networkPolicy.egress.enabled=false" $k }}
{{- end }}
{{- end }}
{{- if and $egress.enabled (eq .Job.mode "twister2") (not $egress.apiServerPorts) }}
{{ "networkPolicy.egress.apiServerPorts: it is empty, and a Twister2 job needs the API server; name its ports, such as 443 and 6443, or leave networkPolicy.egress.apiServerPorts out" }}
{{- end }}
{{- range $k, $port := $egress.apiServerPorts }}
{{- if or (lt (float64 $port) 1.0) (gt (float64 $port) 65535.0) (ne (floor $port) (float64 $port)) }}
{{ printf "networkPolicy.egress.apiServerPorts[%d]: %v is no port; take one from 1 to 65535" $k $port }}
{{- end }}
{{- end }}
{{- if and .Values.networkPolicy.enabled .Values.networkPolicy.allowFrom }}
{{- range $block, $row := .Job.exposed }}
{{- if include "twister2-job.hidesClient" $row.values }}
{{- /* A load balancer tells clients apart itself; allowFrom beside it would still see the nodes' addresses. */}}
{{ printf "networkPolicy.allowFrom: with %s.externalTrafficPolicy=Cluster the nodes put their own address in the place of the client's, so no CIDR can tell clients apart; set %s.externalTrafficPolicy=Local, or leave networkPolicy.allowFrom out%s" $block $block (ternary (print " and set " $row.ranges) "" (hasKey $row "ranges")) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
