{{- /*
What the pods of the workers and of the job master share, as fields of a pod's spec. Arguments: dict "root" $ "group" the
GROUP whose nodes they may run on "account" NAME
*/}}
{{- define "twister2-job.podFields" -}}
{{- $values := .root.Values }}
{{- $job := eq .root.Job.mode "twister2" }}
serviceAccountName: {{ .account | quote }}
automountServiceAccountToken: {{ $job }}
enableServiceLinks: {{ $values.enableServiceLinks }}
terminationGracePeriodSeconds: {{ ternary 0 (int $values.terminationGracePeriodSeconds) $job }}
{{- include "twister2-job.imagePullSecrets" .root }}
{{- with $values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with $values.schedulerName }}
schedulerName: {{ . | quote }}
{{- end }}
{{- with $values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.dnsPolicy }}
dnsPolicy: {{ . | quote }}
{{- end }}
{{- with $values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .group.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .group.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /*
Volumes or volume mounts as YAML: the chart's `tmp` (or what is mounted at /tmp), unless the user has one of that name
(or at that place), the chart's others, the user's. Arguments: dict "tmp" ITEM "key" FIELD "own" LIST "user" LIST
*/}}
{{- define "twister2-job.withTmp" -}}
{{- $taken := false }}
{{- range .user }}
{{- $taken = or $taken (eq (get . $.key | toString | trimSuffix "/") (get $.tmp $.key)) }}
{{- end }}
{{- concat (ternary list (list .tmp) $taken) .own .user | toYaml }}
{{- end }}

{{- /* The Secrets with registry credentials, as a field of a pod: ours, and those of an umbrella chart. Argument: $ */}}
{{- define "twister2-job.imagePullSecrets" -}}
{{- $all := .Values.imagePullSecrets }}
{{- range .Values.global.imagePullSecrets }}
{{- $all = append $all (ternary . (dict "name" .) (kindIs "map" .)) }}
{{- end }}
{{- with $all | uniq }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
