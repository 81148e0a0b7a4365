{{- /*
Names: one helper for each resource; those of exposures are in their folders. A release's name is the job's name and
Twister2's job ID, so every name starts with it; Twister2 finds its objects by these names, so they may not change.
*/}}

{{- define "twister2-job.name.headless" -}}
{{ .Release.Name }}
{{- end }}

{{- /* Arguments: dict "root" $ "group" GROUP */}}
{{- define "twister2-job.name.group" -}}
{{ .root.Release.Name }}-{{ .group.index }}
{{- end }}

{{- /* Job master: its Service, StatefulSet, Role and NetworkPolicy, and its ServiceAccount if nothing names another. */}}
{{- define "twister2-job.name.jobMaster" -}}
{{ .Release.Name }}-jm
{{- end }}

{{- /* The ConfigMap in which Twister2 counts restarts and looks for the word to kill the job. */}}
{{- define "twister2-job.name.run" -}}
{{ .Release.Name }}
{{- end }}

{{- define "twister2-job.name.package" -}}
{{ .Release.Name }}-package
{{- end }}

{{- /* Role of the workers of a Twister2 job. */}}
{{- define "twister2-job.name.role" -}}
{{ .Release.Name }}
{{- end }}

{{- define "twister2-job.name.addresses" -}}
{{ .Release.Name }}-addresses
{{- end }}

{{- define "twister2-job.name.networkPolicy" -}}
{{ .Release.Name }}
{{- end }}

{{- define "twister2-job.name.networkPolicyEgress" -}}
{{ .Release.Name }}-egress
{{- end }}

{{- define "twister2-job.name.podDisruptionBudget" -}}
{{ .Release.Name }}
{{- end }}

{{- define "twister2-job.name.echo" -}}
{{ .Release.Name }}-echo
{{- end }}

{{- define "twister2-job.name.test" -}}
{{ .Release.Name }}-test
{{- end }}

{{- define "twister2-job.name.serviceAccount" -}}
{{ include "twister2-job.name.account" (dict "account" .Values.serviceAccount "own" .Release.Name) }}
{{- end }}

{{- define "twister2-job.name.jobMasterServiceAccount" -}}
{{ include "twister2-job.name.account" (dict "account" .Values.job.master.serviceAccount "own" (include "twister2-job.name.jobMaster" .)) }}
{{- end }}

{{- /* Arguments: dict "account" VALUES "own" NAME of the one that is made */}}
{{- define "twister2-job.name.account" -}}
{{- if .account.name -}}
{{ .account.name }}
{{- else if .account.create -}}
{{ .own }}
{{- else -}}
default
{{- end }}
{{- end }}
