{{- /*
Labels and annotations: each key once. What the job's objects are found by is the chart's own and refused among the
user's (see _validate_names.tpl); all else that the user sets takes the place of the chart's.
*/}}

{{- /* The pairs of several maps as YAML; a later map wins. Argument: list of MAPS */}}
{{- define "twister2-job.union" -}}
{{- $all := dict }}
{{- range . }}
{{- range $key, $value := . }}
{{- $_ := set $all $key $value }}
{{- end }}
{{- end }}
{{- if $all }}
{{- toYaml $all }}
{{- end }}
{{- end }}

{{- /*
Labels of an object. Never in a pod template: the chart's version would restart the workers.
Arguments: dict "root" $ "component" NAME "own" MAP of the chart's "user" MAP of the user's; the last two may be left out
*/}}
{{- define "twister2-job.labels" -}}
{{- $root := .root }}
{{- $chart := dict "app" "twister2" "app.kubernetes.io/version" $root.Chart.AppVersion }}
{{- $identity := dict "helm.sh/chart" (printf "twister2-job-%s" $root.Chart.Version | replace "+" "_" | trunc 63) "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- $selector := include "twister2-job.selectorLabels" . | fromYaml }}
{{- include "twister2-job.union" (list $chart $root.Values.commonLabels (.user | default dict) $identity $selector (.own | default dict)) }}
{{- end }}

{{- /*
What tells the pods of a component (worker, job-master, test) from all others. A StatefulSet's selector can't change
later, so it doesn't follow the chart's name, which an umbrella chart may change.
Arguments: dict "root" $ "component" NAME
*/}}
{{- define "twister2-job.selectorLabels" -}}
app.kubernetes.io/name: twister2-job
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /* The same of the workers. Argument: $ */}}
{{- define "twister2-job.workerLabels" -}}
{{ include "twister2-job.selectorLabels" (dict "root" . "component" "worker") }}
{{- end }}

{{- /* A selector of the workers' pods and the job master's; not that of `helm test`. */}}
{{- define "twister2-job.jobsPods" -}}
{{- $labels := include "twister2-job.workerLabels" . | fromYaml -}}
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
{{- $selector := include "twister2-job.selectorLabels" . | fromYaml }}
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
