{{- /*
Every file begins with this. Once for each rendering it gives the values what is missing in them, refuses what is wrong,
and puts into `.Job` what all files share: Helm hands the same `.` to every file of a chart.

.Job.mode        what the workers run: echo, command or twister2
.Job.source      where a Twister2 job's classes come from: jar, package or nothing
.Job.ports       the ports of one worker: name, protocol, number
.Job.groups      the worker groups: see "twister2-job.groups"
.Job.workers     number of workers
.Job.persistent  volumes and mounts: see _persistence.tpl
.Job.lifecycle   hooks of a worker: see workers/_lifecycle.tpl
.Job.defaults    the chart's default values
.Job.exposures   the table of exposures by name: see exposures/_table.tpl
.Job.exposed     those rows of it that are enabled
.Job.annotations the user's annotations by their paths
*/}}
{{- define "twister2-job.prepare" -}}
{{- if not (hasKey . "Job") }}
{{- include "twister2-job.alone" . }}
{{- $_ := set . "Job" (dict "exposures" dict) }}
{{- include "twister2-job.exposures" .Job.exposures }}
{{- include "twister2-job.defaults" . }}
{{- $_ := set .Job "source" (include "twister2-job.source" .) }}
{{- $_ := set .Job "mode" (include "twister2-job.mode" .) }}
{{- include "twister2-job.ports" . }}
{{- include "twister2-job.groups" . }}
{{- include "twister2-job.persistent" . }}
{{- include "twister2-job.lifecycle" . }}
{{- include "twister2-job.expose" . }}
{{- include "twister2-job.annotated" . }}
{{- include "twister2-job.validate" . }}
{{- end }}
{{- end }}

{{- /*
Of a release's charts one may be this one: names of its objects are made of the release's name alone. All charts of a
release share `.Release`, so a second one finds the mark of the first.
*/}}
{{- define "twister2-job.alone" -}}
{{- $here := .Template.BasePath }}
{{- $first := get .Release "twister2-job" | default $here }}
{{- if ne $first $here }}
{{- fail (printf "\ntwo charts twister2-job in the release %s: names of a job's objects are made of the release's name, so %s and %s would make the same ones; give each job a release of its own" .Release.Name ($first | dir | base) ($here | dir | base)) }}
{{- end }}
{{- $_ := set .Release "twister2-job" $here }}
{{- /* Charts before this one took the label from the chart's name, which an alias changes, and no selector can change. */}}
{{- if and (ne .Chart.Name "twister2-job") .Release.IsUpgrade }}
{{- $live := dict }}
{{- include "twister2-job.live" (dict "root" . "into" $live) }}
{{- $name := $live | dig "spec" "selector" "matchLabels" "app.kubernetes.io/name" "" }}
{{- if has .Chart.Name (list $name) }}
{{- fail (printf "\nthe alias %s: the running job has it as its label app.kubernetes.io/name, which is twister2-job by now, and a StatefulSet's selector can't change; %s" .Chart.Name (include "twister2-job.anew" .)) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Sets the keys of the StatefulSet of group 0 as the cluster has it; none if there is none. Arguments: dict "root" $ "into" DICT */}}
{{- define "twister2-job.live" -}}
{{- $live := lookup "apps/v1" "StatefulSet" .root.Release.Namespace (include "twister2-job.name.group" (dict "root" .root "group" (dict "index" 0))) }}
{{- include "twister2-job.setUnion" (dict "maps" (list $live) "into" .into) }}
{{- end }}

{{- /* What helps where a StatefulSet can't change. Argument: $ */}}
{{- define "twister2-job.anew" -}}
fix the node ports that you want to keep as values, then helm uninstall {{ .Release.Name }} --namespace {{ .Release.Namespace }} and install it
{{- end }}

{{- /*
Gives the values what they lack: keys that are null mean their default, and `helm upgrade --reuse-values` brings the
values of an older chart, which has fewer keys. What is of another type than its default is refused here too, for
--skip-schema-validation.
*/}}
{{- define "twister2-job.defaults" -}}
{{- $problems := dict }}
{{- $defaults := .Files.Get "files/defaults.json" | fromJson }}
{{- $_ := set .Job "defaults" $defaults }}
{{- include "twister2-job.fill" (dict "values" .Values "defaults" $defaults "path" "" "problems" $problems) }}
{{- include "twister2-job.refuse" $problems }}
{{- range $index, $group := .Values.computeResources }}
{{- if not (include "twister2-job.typed" (dict "value" $group "kind" "map" "path" (printf "computeResources[%d]" $index) "problems" $problems)) }}
{{- /* What a group has of its own is of the kind of what group 0 has. */}}
{{- range $key, $value := $group }}
{{- $default := index (ternary $defaults $defaults.job (hasKey $defaults $key)) $key }}
{{- if not (or (kindIs "invalid" $value) (kindIs "invalid" $default)) }}
{{- $_ := include "twister2-job.typed" (dict "value" $value "kind" (kindOf $default) "path" (printf "computeResources[%d].%s" $index $key) "problems" $problems) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $index, $port := .Values.additionalPorts }}
{{- if not (include "twister2-job.typed" (dict "value" $port "kind" "map" "path" (printf "additionalPorts[%d]" $index) "problems" $problems)) }}
{{- $_ := include "twister2-job.typed" (dict "value" (index $port "name") "kind" "string" "path" (printf "additionalPorts[%d].name" $index) "problems" $problems) }}
{{- end }}
{{- end }}
{{- range $name, $row := .Job.exposures }}
{{- range $key, $kind := $row.entries }}
{{- range $at, $value := index $.Values $name $key }}
{{- $path := printf (ternary "%s.%s[%d]" "%s.%s.%s" (kindIs "int" $at)) $name $key $at }}
{{- if include "twister2-job.typed" (dict "value" $value "kind" $kind "path" $path "problems" $problems) }}
{{- else if eq $kind "map" }}
{{- range $field, $own := $row.fields }}
{{- if not (kindIs "invalid" (index $value $field)) }}
{{- $_ := include "twister2-job.typed" (dict "value" (index $value $field) "kind" $own "path" (printf "%s.%s" $path $field) "problems" $problems) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $index, $cidr := .Values.networkPolicy.allowFrom }}
{{- $_ := include "twister2-job.typed" (dict "value" $cidr "kind" "string" "path" (printf "networkPolicy.allowFrom[%d]" $index) "problems" $problems) }}
{{- end }}
{{- range $index, $peer := .Values.networkPolicy.proxiesFrom }}
{{- $path := printf "networkPolicy.proxiesFrom[%d]" $index }}
{{- if not (include "twister2-job.typed" (dict "value" $peer "kind" "map" "path" $path "problems" $problems)) }}
{{- range $key, $value := $peer }}
{{- $_ := include "twister2-job.typed" (dict "value" $value "kind" "map" "path" (printf "%s.%s" $path $key) "problems" $problems) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $key, $kind := dict "rules" "map" "apiServerPorts" "float64" "apiServerCidrs" "string" }}
{{- range $index, $value := index $.Values.networkPolicy.egress $key }}
{{- $_ := include "twister2-job.typed" (dict "value" $value "kind" $kind "path" (printf "networkPolicy.egress.%s[%d]" $key $index) "problems" $problems) }}
{{- end }}
{{- end }}
{{- include "twister2-job.refuse" $problems }}
{{- end }}

{{- /* Sets .Job.annotations. */}}
{{- define "twister2-job.annotated" -}}
{{- $_ := set .Job "annotations" (dict "commonAnnotations" .Values.commonAnnotations "podAnnotations" .Values.podAnnotations "headless.annotations" .Values.headless.annotations "persistence.annotations" .Values.persistence.annotations "serviceAccount.annotations" .Values.serviceAccount.annotations "job.master.podAnnotations" .Values.job.master.podAnnotations "job.master.serviceAccount.annotations" .Values.job.master.serviceAccount.annotations) }}
{{- include "twister2-job.exposedMaps" (dict "root" . "key" "annotations" "into" .Job.annotations) }}
{{- end }}

{{- /* Problems in the order of the alphabet, each after a line's end. Argument: dict of them */}}
{{- define "twister2-job.problems" -}}
{{- range $problem, $_ := . }}
{{ $problem }}
{{- end }}
{{- end }}

{{- /* Ends the rendering if there are problems. Argument: dict of them */}}
{{- define "twister2-job.refuse" -}}
{{- if . }}
{{- fail (include "twister2-job.problems" .) }}
{{- end }}
{{- end }}

{{- /*
Arguments: dict "values" VALUES "defaults" DEFAULTS "path" PREFIX "problems" DICT. The maps of a container's or a pod's
own are whole values: who removes a key of one wants it removed.
*/}}
{{- define "twister2-job.fill" -}}
{{- range $key, $default := .defaults }}
{{- $path := printf "%s%s" $.path $key }}
{{- $value := index $.values $key }}
{{- if kindIs "invalid" $value }}
{{- $_ := set $.values $key $default }}
{{- else if include "twister2-job.typed" (dict "value" $value "kind" (kindOf $default) "path" $path "problems" $.problems) }}
{{- else if and (kindIs "map" $default) $default (not (has $key (list "podSecurityContext" "resources" "securityContext" "updateStrategy"))) }}
{{- include "twister2-job.fill" (dict "values" $value "defaults" $default "path" (print $path ".") "problems" $.problems) }}
{{- end }}
{{- end }}
{{- end }}

{{- /*
Adds a problem and returns something if a value is of another type than it must be.
Arguments: dict "value" VALUE "kind" KIND "path" PATH "problems" DICT
*/}}
{{- define "twister2-job.typed" -}}
{{- $names := dict "map" "a map" "slice" "a list" "bool" "true or false" "string" "text" "float64" "a number" }}
{{- $kind := kindOf .value | replace "int64" "float64" | replace "int" "float64" }}
{{- $either := has (.path | splitList "." | last) (list "cpu" "disk" "jvmMemoryFraction" "minAvailable" "maxUnavailable") }}
{{- if not (or (eq $kind .kind) (and $either (has $kind (list "string" "float64")))) }}
{{- $must := ternary "a number or text such as 50%" (get $names .kind) (and $either (eq .kind "string")) }}
{{- $_ := set .problems (printf "%s: it is %s, and must be %s" .path (eq $kind "invalid" | ternary "null" (get $names $kind | default $kind)) $must) true -}}
wrong
{{- end }}
{{- end }}
