{{- /*
The volume at /persistent, under the name that Twister2's own scheduler gives it: of a claim template of each StatefulSet,
so that a pod gets its own back, or one claim of the user's for all pods.
*/}}

{{- /* Something if each pod has a claim of its own. Argument: $ */}}
{{- define "twister2-job.claims" -}}
{{ if and .Values.persistence.enabled (not .Values.persistence.existingClaim) }}true{{ end }}
{{- end }}

{{- /* Fields of a StatefulSet's spec. Arguments: dict "root" $ "size" QUANTITY */}}
{{- define "twister2-job.claimTemplates" -}}
{{- if include "twister2-job.claims" .root }}
{{- $own := .root.Values.persistence }}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: {{ $own.retention.whenDeleted | quote }}
  whenScaled: {{ $own.retention.whenScaled | quote }}
volumeClaimTemplates:
  - apiVersion: v1
    kind: PersistentVolumeClaim
    metadata:
      name: persistent-volume
      {{- with $own.labels }}
      labels:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $own.annotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      accessModes:
        {{- toYaml $own.accessModes | nindent 8 }}
      {{- with $own.storageClass }}
      storageClassName: {{ ternary "" . (eq . "-") | quote }}
      {{- end }}
      resources:
        requests:
          storage: {{ .size | quote }}
{{- end }}
{{- end }}

{{- /* Sets .Job.persistent: the `volumes` of a pod and their `mounts` in a container; empty without persistence. */}}
{{- define "twister2-job.persistent" -}}
{{- $found := dict "volumes" list "mounts" list }}
{{- with .Values.persistence }}
{{- if .enabled }}
{{- $_ := set $found "mounts" (list (dict "name" "persistent-volume" "mountPath" "/persistent")) }}
{{- if .existingClaim }}
{{- $_ := set $found "volumes" (list (dict "name" "persistent-volume" "persistentVolumeClaim" (dict "claimName" .existingClaim))) }}
{{- end }}
{{- end }}
{{- end }}
{{- $_ := set .Job "persistent" $found }}
{{- end }}
