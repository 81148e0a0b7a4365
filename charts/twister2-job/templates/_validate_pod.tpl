{{- /* Of some fields of a pod Kubernetes wants exactly one, which its types don't say; see _validate.tpl. */}}
{{- define "twister2-job.validate.pod" -}}
{{- $problems := dict }}
{{- $handlers := list "exec" "grpc" "httpGet" "tcpSocket" }}
{{- range $key := list "readinessProbe" "livenessProbe" "startupProbe" }}
{{- with index $.Values $key }}
{{- include "twister2-job.exactlyOne" (dict "path" $key "map" . "fields" $handlers "problems" $problems) }}
{{- end }}
{{- end }}
{{- $hooks := .Job.lifecycle }}
{{- range $key := list "postStart" "preStop" }}
{{- if not (kindIs "invalid" (index $hooks $key)) }}
{{- include "twister2-job.exactlyOne" (dict "path" (print "lifecycle." $key) "map" (index $hooks $key) "fields" (list "exec" "httpGet" "sleep" "tcpSocket") "problems" $problems) }}
{{- end }}
{{- end }}
{{- range $index, $from := .Values.envFrom }}
{{- include "twister2-job.exactlyOne" (dict "path" (printf "envFrom[%d]" $index) "map" $from "fields" (list "configMapRef" "secretRef") "problems" $problems) }}
{{- end }}
{{- range $index, $variable := .Values.env }}
{{- $path := printf "env[%d]" $index }}
{{- if include "twister2-job.typed" (dict "value" $variable "kind" "map" "path" $path "problems" $problems) }}
{{- else if not (kindIs "invalid" (index $variable "valueFrom")) }}
{{- include "twister2-job.exactlyOne" (dict "path" (print $path ".valueFrom") "map" $variable.valueFrom "fields" (list "configMapKeyRef" "fieldRef" "fileKeyRef" "resourceFieldRef" "secretKeyRef") "problems" $problems) }}
{{- if get $variable "value" }}
{{- $_ := set $problems (printf "%s.value: env[%d].valueFrom says where the value comes from, and Kubernetes refuses both; leave one out" $path $index) true }}
{{- end }}
{{- end }}
{{- end }}
{{- /* Who sets a limit alone may not know of the request that the chart has there. */}}
{{- range $block := list "echo" "tests" }}
{{- $resources := (index $.Values $block).resources }}
{{- $limits := index $resources "limits" }}
{{- if and (kindIs "map" $limits) (kindIs "map" (index $resources "requests")) }}
{{- range $name, $request := $resources.requests }}
{{- $asked := include "twister2-job.quantity" (toString $request) }}
{{- $most := include "twister2-job.quantity" (index $limits $name | toString) }}
{{- if and $asked $most (gt (float64 $asked) (float64 $most)) }}
{{- $_ := set $problems (printf "%s.resources.limits.%s: %v is less than the request for it, %v; raise it, or set %s.resources.requests.%s too" $block $name (get $limits $name) $request $block $name) true }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- include "twister2-job.problems" $problems }}
{{- end }}

{{- /* Adds a problem if a map has none of some fields, or several. Arguments: dict "path" PATH "map" MAP "fields" LIST "problems" DICT */}}
{{- define "twister2-job.exactlyOne" -}}
{{- if not (include "twister2-job.typed" (dict "value" .map "kind" "map" "path" .path "problems" .problems)) }}
{{- $given := list }}
{{- range .fields }}
{{- if not (kindIs "invalid" (index $.map .)) }}
{{- $given = append $given . }}
{{- end }}
{{- end }}
{{- $all := printf "%s or %s" (join ", " (initial .fields)) (last .fields) }}
{{- if not $given }}
{{- $_ := set .problems (printf "%s: it has none of %s, and Kubernetes wants one; set one or leave %s out" .path $all .path) true }}
{{- else if gt (len $given) 1 }}
{{- $_ := set .problems (printf "%s: it has %s, and Kubernetes takes one of these; leave one" .path (join " and " $given)) true }}
{{- end }}
{{- end }}
{{- end }}
