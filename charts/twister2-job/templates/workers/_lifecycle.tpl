{{- /*
Whether a worker that goes waits before SIGTERM: "true" or nothing. A Twister2 job doesn't (it ends by itself, and has no
grace period that a hook could use), nor does a worker with a preStop hook of the user's.
*/}}
{{- define "twister2-job.drains" -}}
{{- if and (gt (int .Values.drainSeconds) 0) (ne .Job.mode "twister2") (not (.Values.lifecycle | default dict).preStop) -}}
true
{{- end }}
{{- end }}

{{- /*
Sets .Job.lifecycle, the lifecycle hooks of a worker; an empty map if it has none. The wait is an exec hook, since
Kubernetes has a hook `sleep` of its own only from 1.30 on. The echo worker's image needs to have nothing but python3;
one of the user's that has no `sleep` makes the hook fail, which Kubernetes tells in an event and takes for its end.
*/}}
{{- define "twister2-job.lifecycle" -}}
{{- $lifecycle := deepCopy (.Values.lifecycle | default dict) }}
{{- if include "twister2-job.drains" . }}
{{- $seconds := int .Values.drainSeconds }}
{{- $wait := list "sleep" (toString $seconds) }}
{{- if eq .Job.mode "echo" }}
{{- $wait = list "python3" "-I" "-S" "-c" (printf "import time; time.sleep(%d)" $seconds) }}
{{- end }}
{{- $_ := set $lifecycle "preStop" (dict "exec" (dict "command" $wait)) }}
{{- end }}
{{- $_ := set .Job "lifecycle" $lifecycle }}
{{- end }}
