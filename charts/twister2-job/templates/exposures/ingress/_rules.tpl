{{- /* The rules of `ingress`; see ../_table.tpl and _validate.tpl. */}}

{{- define "twister2-job.ingress.rules" -}}
{{- $ingress := .Values.ingress }}
{{- $row := .Job.exposures.ingress }}
{{- $own := $ingress.perWorker }}
{{- $names := list }}
{{- range .Job.ports }}
{{- $names = append $names .name }}
{{- end }}
{{- if and $ingress.port (not $row.ports) }}
{{ printf "ingress.port: the workers have no port %s; take one of %s" $ingress.port (join ", " $names) }}
{{- else if not $row.ports }}
{{ "ingress: no exposed port is TCP, and an Ingress leads to HTTP; set ingress.port, or add a TCP port to additionalPorts" }}
{{- end }}
{{- range $row.ports }}
{{- if ne .protocol "TCP" }}
{{ printf "ingress.port: %s is a port for %s, and an Ingress leads to HTTP; take a TCP port" .name .protocol }}
{{- end }}
{{- end }}
{{- if not (or $ingress.shared $own.enabled) }}
{{ "ingress: it would make nothing, since shared and perWorker.enabled are false; set one of them to true, or ingress.enabled=false" }}
{{- end }}
{{- if $ingress.shared }}
{{- include "twister2-job.oneWorkerAPod" (dict "root" . "switch" "ingress.shared" "reason" "a port of a Service reaches one port of a pod") }}
{{- if not $ingress.host }}
{{ "ingress.host: the shared Ingress needs one; set ingress.host, or ingress.shared=false with ingress.perWorker.enabled=true" }}
{{- end }}
{{- if regexMatch "[{}]" $ingress.tls.secretName }}
{{ "ingress.tls.secretName: it has a placeholder, and the shared Ingress is no worker's; leave it out, or set ingress.shared=false" }}
{{- end }}
{{- if not $own.enabled }}
{{- include "twister2-job.ingress.secretRules" $ingress.tls.secretName }}
{{- end }}
{{- end }}
{{- if and $ingress.tls.secretName (not $ingress.tls.enabled) }}
{{ "ingress.tls.secretName: it has no effect without TLS; set ingress.tls.enabled=true too" }}
{{- end }}
{{- with include "twister2-job.noHost" ($ingress.host | default "a") }}
{{ printf "ingress.host: it is %s%s; take such a name" $ingress.host . }}
{{- end }}
{{- range $key, $path := dict "path" $ingress.path "perWorker.pathTemplate" ($own.pathTemplate | default "/") }}
{{- if not (hasPrefix "/" $path) }}
{{ printf "ingress.%s: %s is no path; begin with /" $key $path }}
{{- else if and (ne $ingress.pathType "ImplementationSpecific") (regexMatch "//|/[.][.]?(/|$)|%2[fF]" $path) }}
{{ printf "ingress.%s: %s has an empty part, ., .. or %%2F in it, which Kubernetes refuses; write the path that is meant" $key $path }}
{{- end }}
{{- end }}
{{- range $key := list "hostTemplate" "pathTemplate" }}
{{- if and (get $own $key) (not $own.enabled) }}
{{ printf "ingress.perWorker.%s: it is set, but ingress.perWorker.enabled is false; set ingress.perWorker.enabled=true or leave it out" $key }}
{{- end }}
{{- end }}
{{- if $own.enabled }}
{{- include "twister2-job.ingress.ownRules" . }}
{{- end }}
{{- end }}

{{- /* Those of the name of a Secret, once it is filled in. Argument: the name */}}
{{- define "twister2-job.ingress.secretRules" -}}
{{- if and . (not (regexMatch "[{}]" .)) }}
{{- if or (gt (len .) 253) (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" .)) }}
{{ printf "ingress.tls.secretName: filled in it is %s, and a Secret's name is of a-z, 0-9, - and ., with a letter or digit beside each . and at both ends, and has at most 253 characters; take such a name" . }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Those of the Ingresses of single workers. */}}
{{- define "twister2-job.ingress.ownRules" -}}
{{- $ingress := .Values.ingress }}
{{- $own := $ingress.perWorker }}
{{- $perWorker := .Job.exposures.perWorker }}
{{- if not .Values.perWorker.enabled }}
{{ "ingress.perWorker.enabled: it leads to the workers' own Services, and there are none; set perWorker.enabled=true (perWorker.type=ClusterIP is enough)" }}
{{- else }}
{{- $names := list }}
{{- $first := "" }}
{{- range $perWorker.ports }}
{{- $names = append $names .name }}
{{- $first = $first | default (ternary .name "" (eq .protocol "TCP")) }}
{{- end }}
{{- range .Job.exposures.ingress.ports }}
{{- if and (has .name $names) (ne .name $first) (not $ingress.port) }}
{{- /* Without this the workers' own would move when the shared one is switched on or off. */}}
{{ printf "ingress.port: it is empty, and the first port is %s for the shared Ingress but %s in perWorker.ports; set ingress.port to the one that both shall lead to" .name $first }}
{{- else if not (has .name $names) }}
{{ printf "ingress.port: the workers' own Services have no port %s; add it to perWorker.ports, or take one of %s" .name (join ", " $names) }}
{{- end }}
{{- end }}
{{- end }}
{{- $alone := true }}
{{- range .Job.groups }}
{{- $alone = and $alone (eq (int .workersPerPod) 1) }}
{{- end }}
{{- $templates := print $own.hostTemplate $own.pathTemplate }}
{{- if not $templates }}
{{ "ingress.perWorker: nothing tells one worker from another; set hostTemplate, such as worker-{worker}.example.com, or pathTemplate, such as /worker-{worker}" }}
{{- else if not (or (contains "{worker}" $templates) (and $alone (contains "{pod}" $templates)) (eq (int $perWorker.services) 1)) }}
{{ "ingress.perWorker: several workers would have one host and path; put {worker} into hostTemplate or pathTemplate" }}
{{- end }}
{{- $last := dict }}
{{- $id := sub $perWorker.services 1 | max 0 }}
{{- include "twister2-job.ingress.place" (dict "root" . "id" $id "pod" (printf "%s-%d" (last .Job.groups).name $id) "into" $last) }}
{{- /* A host that stands in for the template may have no placeholder at all, which is said above. */}}
{{- $filled := dict (ternary "perWorker.pathTemplate" "path" (ne $own.pathTemplate "")) (list ($own.pathTemplate | default $ingress.path) $last.path) }}
{{- if $own.hostTemplate }}
{{- $_ := set $filled "perWorker.hostTemplate" (list $own.hostTemplate $last.host) }}
{{- end }}
{{- if not $ingress.shared }}
{{- $_ := set $filled "tls.secretName" (list $ingress.tls.secretName $last.secret) }}
{{- end }}
{{- range $key, $pair := $filled }}
{{- if regexMatch "[{}]" (last $pair) }}
{{ printf "ingress.%s: %s holds a placeholder that is not known; known are {worker}, {pod}, {job} and {namespace}" $key (first $pair) }}
{{- end }}
{{- end }}
{{- include "twister2-job.ingress.secretRules" $last.secret }}
{{- if and $own.hostTemplate (not (regexMatch "[{}]" $last.host)) }}
{{- with include "twister2-job.noHost" $last.host }}
{{ printf "ingress.perWorker.hostTemplate: filled in it is %s%s" $last.host . }}
{{- end }}
{{- end }}
{{- if and $ingress.tls.enabled (not $last.host) }}
{{ "ingress.tls.enabled: a certificate is for a host; set ingress.host or ingress.perWorker.hostTemplate" }}
{{- end }}
{{- if and $ingress.shared $ingress.host $templates }}
{{- $host := $own.hostTemplate | default $ingress.host }}
{{- $path := $own.pathTemplate | default $ingress.path }}
{{- $shared := $ingress.path }}
{{- /* To Kubernetes /a and /a/ are one prefix. */}}
{{- if eq $ingress.pathType "Prefix" }}
{{- $path = trimSuffix "/" $path }}
{{- $shared = trimSuffix "/" $shared }}
{{- end }}
{{- /* Any group and any number: the job may get more of both. */}}
{{- $number := "(0|[1-9][0-9]*)" }}
{{- $any := printf "%s %s" $host $path | regexQuoteMeta }}
{{- range $key, $text := dict "worker" $number "pod" (printf "%s-%s-%s" (regexQuoteMeta .Release.Name) $number $number) "job" (regexQuoteMeta .Release.Name) "namespace" (regexQuoteMeta .Release.Namespace) }}
{{- $any = replace (printf "{%s}" $key | regexQuoteMeta) $text $any }}
{{- end }}
{{- if regexMatch (printf "^%s$" $any) (printf "%s %s" $ingress.host $shared) }}
{{ printf "ingress.host: a worker's own Ingress has or may get the same host and path, %s%s; take another host, or another template" $ingress.host $ingress.path }}
{{- end }}
{{- end }}
{{- end }}
