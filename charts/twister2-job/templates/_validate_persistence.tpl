{{- /* The rules about the volume at /persistent and what a Twister2 job keeps there; see _validate.tpl. */}}
{{- define "twister2-job.validate.persistence" -}}
{{- $problems := list }}
{{- $own := .Values.persistence }}
{{- $job := .Values.job }}
{{- if and $own.existingClaim (not $own.enabled) }}
{{- $problems = append $problems "persistence.existingClaim: it is set, but persistence.enabled is false; set persistence.enabled=true or leave persistence.existingClaim out" }}
{{- else if $own.existingClaim }}
{{- range $path, $set := dict "jobMasterSize" $own.jobMasterSize "storageClass" $own.storageClass "annotations" $own.annotations "labels" $own.labels "retention.whenDeleted" (ne $own.retention.whenDeleted "Retain") "retention.whenScaled" (ne $own.retention.whenScaled "Retain") }}
{{- if $set }}
{{- $problems = append $problems (printf "persistence.%s: it is for claims that the chart makes, and persistence.existingClaim is one of yours; leave one of the two out" $path) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $path := list "size" "jobMasterSize" }}
{{- $size := get $own $path }}
{{- if and (or $size (eq $path "size")) (not (regexMatch "^(0?[.][0-9]*[1-9][0-9]*|[1-9][0-9]*([.][0-9]+)?)([KMGTPE]i|[kMGTPE])?$" $size)) }}
{{- $problems = append $problems (printf "persistence.%s: %s is no size above 0; write one such as 1Gi or 500Mi" $path (quote $size)) }}
{{- end }}
{{- end }}
{{- /* A volume of the user's own at that place does as well. */}}
{{- $there := $own.enabled }}
{{- range .Values.extraVolumeMounts }}
{{- $there = or $there (eq (get . "mountPath" | toString | trimSuffix "/") "/persistent") }}
{{- end }}
{{- range $key := list "twister2.resource.persistent.volume.per.worker" "twister2.job.master.persistent.volume.size" }}
{{- if hasKey $job.config $key }}
{{- $value := get $job.config $key }}
{{- if not $there }}
{{- $problems = append $problems (printf "job.config.%s: it says that there is a volume at /persistent, and there is none; set persistence.enabled=true, which sets the key too" $key) }}
{{- else if not (regexMatch "^[0-9.]*[1-9]" (toString $value)) }}
{{- $problems = append $problems (printf "job.config.%s: with %v Twister2 knows of no volume, and there is one at /persistent; leave the key out" $key $value) }}
{{- end }}
{{- end }}
{{- end }}
{{- if $job.restore }}
{{- if ne .Job.mode "twister2" }}
{{- $problems = append $problems "job.restore: it is set, but job.class is not; set job.class or leave job.restore out" }}
{{- else if not (or $there (eq (get $job.config "twister2.persistent.storage.type" | toString) "hdfs")) }}
{{- $problems = append $problems "job.restore: a checkpoint is read from /persistent, and there is no volume; set persistence.enabled=true, or leave job.restore out" }}
{{- end }}
{{- end }}
{{- /* Bare Helm would learn it from the API server, when its revision has failed. */}}
{{- if and .Release.IsUpgrade (include "twister2-job.claims" .) }}
{{- $live := lookup "apps/v1" "StatefulSet" .Release.Namespace (first .Job.groups).name }}
{{- if and $live (not $live.spec.volumeClaimTemplates) }}
{{- $problems = append $problems (printf "persistence.enabled: Kubernetes adds no claims to a StatefulSet that is there; fix the node ports that you want to keep as values, then helm uninstall %s and install it, or install a job of another name" .Release.Name) }}
{{- end }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}
