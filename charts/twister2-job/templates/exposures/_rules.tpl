{{- /* The rules of all exposures that the schema can't say; see _validate.tpl. */}}

{{- define "twister2-job.validate.exposures" -}}
{{- range $name, $row := .Job.exposures }}
{{- if $row.values.enabled }}
{{- include (printf "twister2-job.%s.rules" $name) $ }}
{{- else }}
{{- range $key := $row.needEnabled }}
{{- if ne (index $row.values $key | toJson) (index $.Job.defaults $name $key | toJson) }}
{{ printf "%s.%s: it is set, but %s.enabled is false; set %s.enabled=true or leave %s.%s out" $name $key $name $name $name $key }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $names := list }}
{{- range .Job.ports }}
{{- $names = append $names .name }}
{{- end }}
{{- range $block, $row := .Job.exposed }}
{{- range $key := $row.portNames }}
{{- range $k, $name := index $row.values $key }}
{{- if not (has $name $names) }}
{{ printf "%s.%s[%d]: the workers have no port %s; take names out of %s" $block $key $k $name (join ", " $names) }}
{{- end }}
{{- end }}
{{- end }}
{{- $exposed := list }}
{{- range $row.ports }}
{{- $exposed = append $exposed .name }}
{{- end }}
{{- $maps := dict }}
{{- range $key := $row.byPort }}
{{- $_ := set $maps $key (get $row.values $key) }}
{{- end }}
{{- range $id, $own := get $row.values "overrides" | default dict }}
{{- $_ := set $maps (printf "overrides.%s.nodePorts" $id) ($own.nodePorts | default dict) }}
{{- end }}
{{- range $key, $map := $maps }}
{{- range $name, $_ := $map }}
{{- if not (has $name $exposed) }}
{{ printf "%s.%s.%s: it is no exposed port; the exposed ports are %s" $block $key $name (join ", " $exposed) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- include "twister2-job.validate.nodePorts" . }}
{{- end }}

{{- /*
All fixed node ports of the release: each inside the cluster's range, and none given twice. Each exposure claims its own,
and CLAIMS is what they share: the range's `low` and `high`, and `claimed`, the node ports so far by their number.
*/}}
{{- define "twister2-job.validate.nodePorts" -}}
{{- $claims := dict "low" (int .Values.nodePort.range.min) "high" (int .Values.nodePort.range.max) "claimed" dict }}
{{- if gt $claims.low $claims.high }}
{{ printf "nodePort.range: min %d is above max %d; give the range of the cluster's API server" $claims.low $claims.high }}
{{- end }}
{{- range $name, $_ := .Job.exposed }}
{{- include (printf "twister2-job.%s.nodePorts" $name) (dict "root" $ "claims" $claims) }}
{{- end }}
{{- end }}

{{- /*
Claims one fixed node port, a `path` and its `number`, and says what is wrong with it. `base` is true for a number counted
from nodePortBase: its range is checked once, not for each worker. One port of a Service may have two protocols, and then
one node port for both: then `service` is the same and `protocol` is not. Arguments: dict "one" PORT "claims" CLAIMS
*/}}
{{- define "twister2-job.claimNodePort" -}}
{{- $one := .one }}
{{- $low := .claims.low }}
{{- $high := .claims.high }}
{{- if and (not $one.base) (or (lt $one.number $low) (gt $one.number $high)) }}
{{ printf "%s: %d is outside the cluster's node ports %d-%d (nodePort.range); take one of these, or leave it out for a free one" $one.path $one.number $low $high }}
{{- end }}
{{- $other := get .claims.claimed (toString $one.number) }}
{{- if not $other }}
{{- $_ := set .claims.claimed (toString $one.number) $one }}
{{- else if not (and $one.service (eq $one.service ($other.service | default "")) (ne $one.protocol $other.protocol)) }}
{{ printf "%s: node port %d is given to %s too; give each port its own" $one.path $one.number $other.path }}
{{- end }}
{{- end }}

{{- /*
Refuses groups with several workers in a pod.
Arguments: dict "root" $ "switch" PATH of what needs one, true or false "reason" the reason, as a clause
*/}}
{{- define "twister2-job.oneWorkerAPod" -}}
{{- range .root.Job.groups }}
{{- if ne (int .workersPerPod) 1 }}
{{- $path := print .path "workersPerPod" }}
{{ printf "%s: it is %d, but %s=true needs one worker per pod, because %s; set %s=1 or %s=false" $path (int .workersPerPod) $.switch $.reason $path $.switch }}
{{- end }}
{{- end }}
{{- end }}
