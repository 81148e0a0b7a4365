{{- /* Rules about objects beside the job's own; see _validate.tpl. */}}
{{- define "twister2-job.validate.podDisruptionBudget" -}}
{{- $budget := .Values.podDisruptionBudget }}
{{- $given := list }}
{{- range $key := list "minAvailable" "maxUnavailable" }}
{{- $amount := index $budget $key }}
{{- if ne (toString $amount) "" }}
{{- $given = append $given $key }}
{{- if and (kindIs "string" $amount) (regexMatch "^[0-9]+$" (toString $amount)) }}
{{ printf "podDisruptionBudget.%s: %q is text; write %s without quotes, or 50%%" $key $amount $amount }}
{{- else if ternary (not (regexMatch "^0*([0-9]{1,2}|100)%$" (toString $amount))) (or (lt (float64 $amount) 0.0) (gt (float64 $amount) 2147483647.0) (ne (floor $amount) (float64 $amount))) (kindIs "string" $amount) }}
{{ printf "podDisruptionBudget.%s: %v is no number of pods and no percentage; write 2 or 50%%" $key $amount }}
{{- end }}
{{- if not $budget.enabled }}
{{ printf "podDisruptionBudget.%s: it is set, but podDisruptionBudget.enabled is false; set podDisruptionBudget.enabled=true or leave podDisruptionBudget.%s out" $key $key }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq (len $given) 2 }}
{{ "podDisruptionBudget: it has minAvailable and maxUnavailable, and Kubernetes takes one of these; leave one" }}
{{- end }}
{{- end }}

{{- /* Helm keeps two objects of one kind and name for one of them, and the one that comes later wins. */}}
{{- define "twister2-job.validate.extraObjects" -}}
{{- $problems := dict }}
{{- $seen := dict }}
{{- $accounts := list (include "twister2-job.name.serviceAccount" .) (include "twister2-job.name.jobMasterServiceAccount" .) }}
{{- /* The job's own objects alone have the release's bare name too. */}}
{{- $names := "|-[0-9]+|-jm|-addresses|-clusterip|-echo|-egress|-jar-[0-9a-f]{8}-[0-9]+|-package|-test" }}
{{- $kinds := list " ConfigMap" " Pod" " Service" " ServiceAccount" "apps StatefulSet" "networking.k8s.io NetworkPolicy" "policy PodDisruptionBudget" "rbac.authorization.k8s.io Role" "rbac.authorization.k8s.io RoleBinding" }}
{{- $rows := list (dict "names" $names "objects" $kinds) }}
{{- range .Job.exposures }}
{{- $rows = append $rows . }}
{{- end }}
{{- range $index, $object := .Values.extraObjects }}
{{- $path := printf "extraObjects[%d]" $index }}
{{- if not (include "twister2-job.typed" (dict "value" $object "kind" "map" "path" $path "problems" $problems)) }}
{{- $metadata := index $object "metadata" }}
{{- if not (kindIs "map" $metadata) }}
{{- $metadata = dict }}
{{- end }}
{{- range $key, $value := dict "apiVersion" (index $object "apiVersion") "kind" (index $object "kind") "metadata.name" (index $metadata "name") }}
{{- if not (and $value (kindIs "string" $value)) }}
{{- $_ := set $problems (printf "%s.%s: it is missing or no text; each object needs one" $path $key) true }}
{{- end }}
{{- end }}
{{- $name := toString (index $metadata "name") }}
{{- $kind := toString (index $object "kind") }}
{{- $type := printf "%s %s" (index $object "apiVersion" | toString | splitList "/" | initial | join "/") $kind }}
{{- $taken := and (eq $type " ServiceAccount") (has $name $accounts) }}
{{- range $rows }}
{{- $taken = or $taken (and (has $type .objects) (regexMatch (printf "^%s(%s)$" $.Release.Name (get (get . "namesOf" | default dict) $type | default .names)) $name)) }}
{{- end }}
{{- if $taken }}
{{- $_ := set $problems (printf "%s.metadata.name: %s %s is a name of the chart's own objects; take another name" $path $kind $name) true }}
{{- end }}
{{- $all := printf "%s %v/%s" $type (index $metadata "namespace" | default $.Release.Namespace) $name }}
{{- if hasKey $seen $all }}
{{- $_ := set $problems (printf "%s.metadata.name: %s %s is there twice, in %s too; leave one" $path $kind $name (get $seen $all)) true }}
{{- end }}
{{- $_ := set $seen $all $path }}
{{- end }}
{{- end }}
{{- include "twister2-job.problems" $problems }}
{{- end }}
