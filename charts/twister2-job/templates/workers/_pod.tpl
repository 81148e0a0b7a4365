{{- /*
What the pods of the workers and of the job master share, as fields of a pod's spec. Arguments: dict "root" $ "group" the
GROUP whose nodes they may run on "account" NAME "mode" MODE
*/}}
{{- define "twister2-job.podFields" -}}
{{- $values := .root.Values }}
{{- $job := eq .mode "twister2" }}
serviceAccountName: {{ .account }}
automountServiceAccountToken: {{ $job }}
enableServiceLinks: {{ $values.enableServiceLinks }}
terminationGracePeriodSeconds: {{ ternary 0 (int $values.terminationGracePeriodSeconds) $job }}
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ . }}
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
