{{- /* The rules about the volume at /persistent and what a Twister2 job keeps there; see _validate.tpl. */}}
{{- define "twister2-job.validate.persistence" -}}
{{- $own := .Values.persistence }}
{{- $job := .Values.job }}
{{- $defaults := omit .Job.defaults.persistence "enabled" }}
{{- range $key, $default := $defaults }}
{{- if eq (index $own $key | toJson) (toJson $default) }}
{{- else if not $own.enabled }}
{{ printf "persistence.%s: it is set, but persistence.enabled is false; set persistence.enabled=true or leave persistence.%s out" $key $key }}
{{- else if and $own.existingClaim (ne $key "existingClaim") }}
{{ printf "persistence.%s: it is for claims that the chart makes, and persistence.existingClaim is one of yours; leave one of the two out" $key }}
{{- else if and (eq $key "jobMasterSize") (ne $.Job.mode "twister2") }}
{{ "persistence.jobMasterSize: it is set, and only a Twister2 job has a job master; leave it out, or set job.class" }}
{{- end }}
{{- end }}
{{- if not (regexMatch `^\[("ReadWriteOncePod"|"ReadWrite(Once|Many)"(,"ReadWrite(Once|Many)")?)\]$` (toJson $own.accessModes)) }}
{{ printf "persistence.accessModes: %s are no access modes of a volume that pods write to; name ReadWriteOnce, ReadWriteMany or both, or ReadWriteOncePod alone" (toJson $own.accessModes) }}
{{- end }}
{{- range $key := list "whenDeleted" "whenScaled" }}
{{- if not (has (index $own.retention $key) (list "Delete" "Retain")) }}
{{ printf "persistence.retention.%s: %s is neither Retain nor Delete; write one of these" $key (index $own.retention $key) }}
{{- end }}
{{- end }}
{{- range $path := list "size" "jobMasterSize" }}
{{- $size := get $own $path }}
{{- if and (or $size (eq $path "size")) (not (regexMatch "^(0?[.][0-9]*[1-9][0-9]*|[1-9][0-9]*([.][0-9]+)?)([KMGTPE]i|[kMGTPE])?$" $size)) }}
{{ printf "persistence.%s: %s is no size above 0; write one such as 1Gi or 500Mi" $path (quote $size) }}
{{- end }}
{{- end }}
{{- /* A volume of the user's own at that place does as well. */}}
{{- $there := $own.enabled }}
{{- range .Values.extraVolumeMounts }}
{{- if kindIs "map" . }}
{{- $there = or $there (eq (get . "mountPath" | toString | trimSuffix "/") "/persistent") }}
{{- end }}
{{- end }}
{{- range $key := list "twister2.resource.persistent.volume.per.worker" "twister2.job.master.persistent.volume.size" }}
{{- if hasKey $job.config $key }}
{{- $value := get $job.config $key }}
{{- if not $there }}
{{ printf "job.config.%s: it says that there is a volume at /persistent, and there is none; set persistence.enabled=true, which sets the key too" $key }}
{{- else if not (regexMatch "^[0-9.]*[1-9]" (toString $value)) }}
{{ printf "job.config.%s: with %v Twister2 knows of no volume, and there is one at /persistent; leave the key out" $key $value }}
{{- end }}
{{- end }}
{{- end }}
{{- if $job.restore }}
{{- $elsewhere := eq (get $job.config "twister2.persistent.storage.type" | toString) "hdfs" }}
{{- if ne .Job.mode "twister2" }}
{{ "job.restore: it is set, but job.class is not; set job.class or leave job.restore out" }}
{{- else if not (or $there $elsewhere) }}
{{ "job.restore: a checkpoint is read from /persistent, and there is no volume; set persistence.enabled=true, or leave job.restore out" }}
{{- else if and (include "twister2-job.claims" .) (eq $own.retention.whenScaled "Delete") (not $elsewhere) }}
{{ "job.restore: with persistence.retention.whenScaled=Delete the checkpoint is deleted when the job is suspended, which `twister2-job rerun` does first; set persistence.retention.whenScaled=Retain" }}
{{- end }}
{{- end }}
{{- /* Bare Helm would learn it from the API server, when its revision has failed. */}}
{{- if and .Release.IsUpgrade (include "twister2-job.claims" .) }}
{{- $live := dict }}
{{- include "twister2-job.live" (dict "root" . "into" $live) }}
{{- if and $live (not $live.spec.volumeClaimTemplates) }}
{{ printf "persistence.enabled: Kubernetes adds no claims to a StatefulSet that is there; %s, or install a job of another name" (include "twister2-job.anew" .) }}
{{- end }}
{{- end }}
{{- end }}
