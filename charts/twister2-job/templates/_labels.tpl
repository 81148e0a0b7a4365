{{- /* Labels of every object of the chart. Never in a pod template: the chart's version would restart the workers. */}}
{{- define "twister2-job.labels" -}}
{{ include "twister2-job.chartLabels" . }}
{{ include "twister2-job.selectorLabels" . }}
{{- end }}

{{- define "twister2-job.chartLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app: twister2
{{- end }}

{{- /* What tells the workers of this job from all other pods. A StatefulSet's selector can't change later. */}}
{{- define "twister2-job.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: worker
{{- end }}

{{- /*
Twister2's own label for the objects of a job. `twister2 kill` deletes what carries it and allows one ConfigMap with it,
so no exposure and no other ConfigMap has it.
*/}}
{{- define "twister2-job.jobLabel" -}}
t2-job: {{ .Release.Name }}
{{- end }}

{{- /* What tells the pod of `helm test` from all others. */}}
{{- define "twister2-job.testLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end }}

{{- /* What tells the job master's pod from all others. */}}
{{- define "twister2-job.jobMasterLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: job-master
{{- end }}
