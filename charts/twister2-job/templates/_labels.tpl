{{- /*
Labels and annotations: each key once. What the job's objects are found by is the chart's own and refused among the
user's (see _validate_names.tpl); all else that the user sets takes the place of the chart's.
*/}}

{{- /* Sets the pairs of several maps; a later map wins. Arguments: dict "maps" LIST "into" DICT */}}
{{- define "twister2-job.setUnion" -}}
{{- range .maps }}
{{- range $key, $value := . }}
{{- $_ := set $.into $key $value }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The same as YAML. Argument: list of MAPS */}}
{{- define "twister2-job.union" -}}
{{- $all := dict }}
{{- include "twister2-job.setUnion" (dict "maps" . "into" $all) }}
{{- if $all }}
{{- toYaml $all }}
{{- end }}
{{- end }}

{{- /*
Labels of an object. Never in a pod template: the chart's version would restart the workers.
Arguments: dict "root" $ "component" NAME "own" MAP of the chart's "user" MAP of the user's; the last two may be left out
*/}}
{{- define "twister2-job.labels" -}}
{{- $all := dict }}
{{- include "twister2-job.setLabels" (dict "root" .root "component" .component "own" .own "user" .user "into" $all) }}
{{- toYaml $all }}
{{- end }}

{{- /* Sets the same. Arguments: as for "labels", and "into" DICT */}}
{{- define "twister2-job.setLabels" -}}
{{- $root := .root }}
{{- $chart := dict "app" "twister2" "app.kubernetes.io/version" $root.Chart.AppVersion }}
{{- $identity := dict "helm.sh/chart" (printf "twister2-job-%s" $root.Chart.Version | replace "+" "_" | trunc 63) "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- include "twister2-job.setUnion" (dict "maps" (list $chart $root.Values.commonLabels .user $identity) "into" .into) }}
{{- include "twister2-job.setSelectorLabels" . }}
{{- include "twister2-job.setUnion" (dict "maps" (list .own) "into" .into) }}
{{- end }}

{{- /*
Sets what tells the pods of a component (worker, job-master, test) from all others. A StatefulSet's selector can't change
later, so it doesn't follow the chart's name, which an umbrella chart may change.
Arguments: dict "root" $ "component" NAME "into" DICT
*/}}
{{- define "twister2-job.setSelectorLabels" -}}
{{- range $key, $value := dict "name" "twister2-job" "instance" .root.Release.Name "component" .component }}
{{- $_ := set $.into (print "app.kubernetes.io/" $key) $value }}
{{- end }}
{{- end }}

{{- /* The same as text. Arguments: dict "root" $ "component" NAME */}}
{{- define "twister2-job.selectorLabels" -}}
{{- $labels := dict }}
{{- include "twister2-job.setSelectorLabels" (dict "root" .root "component" .component "into" $labels) -}}
app.kubernetes.io/name: {{ get $labels "app.kubernetes.io/name" }}
app.kubernetes.io/instance: {{ get $labels "app.kubernetes.io/instance" | quote }}
app.kubernetes.io/component: {{ get $labels "app.kubernetes.io/component" }}
{{- end }}

{{- /* The same of the workers. Argument: $ */}}
{{- define "twister2-job.workerLabels" -}}
{{ include "twister2-job.selectorLabels" (dict "root" . "component" "worker") }}
{{- end }}

{{- /* A selector of the workers' pods and the job master's; not that of `helm test`. */}}
{{- define "twister2-job.jobsPods" -}}
{{- $labels := dict }}
{{- include "twister2-job.setSelectorLabels" (dict "root" . "component" "worker" "into" $labels) -}}
matchLabels:
  {{- omit $labels "app.kubernetes.io/component" | toYaml | nindent 2 }}
matchExpressions:
  - key: app.kubernetes.io/component
    operator: In
    values: [worker, job-master]
{{- end }}

{{- /*
Labels of a pod of a component, in its template. Twister2 finds pods by its own labels (`t2-...`). `twister2 kill`
deletes what carries `t2-job` and allows one ConfigMap with it, so no exposure and no other ConfigMap has it.
Arguments: dict "root" $ "component" NAME "own" MAP
*/}}
{{- define "twister2-job.podLabels" -}}
{{- $selector := dict }}
{{- include "twister2-job.setSelectorLabels" (dict "root" .root "component" .component "into" $selector) }}
{{- include "twister2-job.union" (list (dict "app" "twister2") .root.Values.podLabels $selector (dict "t2-job" .root.Release.Name) .own) }}
{{- end }}

{{- /*
Annotations of an object, as its field; nothing if it has none.
Arguments: dict "root" $ "own" MAP of the chart's "user" MAP of the user's; the last two may be left out
*/}}
{{- define "twister2-job.annotations" -}}
{{- with include "twister2-job.union" (list .root.Values.commonAnnotations (.user | default dict) (.own | default dict)) }}
annotations:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}
