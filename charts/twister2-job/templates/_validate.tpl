{{- /*
The rules that the schema can't say, and the one-worker-per-pod rule once more for --skip-schema-validation. All
problems are collected, so that one run shows them all; each is "path: problem; remedy". A rule writes each problem after
a line's end, and nothing else.
*/}}
{{- define "twister2-job.validate" -}}
{{- range $rules := list (list "counts") (list "release" "names" "ports" "drain" "job" "persistence" "exposures" "externalDns" "networkPolicy" "podDisruptionBudget" "extraObjects" "pod" "kubernetes") }}
{{- $problems := "" }}
{{- range $rules }}
{{- $problems = print $problems (include (printf "twister2-job.validate.%s" .) $) }}
{{- end }}
{{- if trim $problems }}
{{- fail $problems }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Numbers of things that are made; the rules after these make lists of them. */}}
{{- define "twister2-job.validate.counts" -}}
{{- range .Job.groups }}
{{- if or (lt .instances 1) (gt .instances 10000) }}
{{ printf "%sinstances: it is %d; a group has 1 to 10000 pods" .path .instances }}
{{- end }}
{{- if or (lt .workersPerPod 1) (gt .workersPerPod 100) }}
{{ printf "%sworkersPerPod: it is %d; a pod has 1 to 100 workers" .path .workersPerPod }}
{{- end }}
{{- end }}
{{- range $name, $_ := .Job.exposed }}
{{- include (printf "twister2-job.%s.counts" $name) $ }}
{{- end }}
{{- end }}

{{- define "twister2-job.validate.release" -}}
{{- if gt (len .Release.Name) 49 }}
{{ printf "release name %s: it is %d characters long, and names of the job's objects are made of it; take one of at most 49" .Release.Name (len .Release.Name) }}
{{- end }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" .Release.Name) }}
{{ printf "release name %s: it is the name of a Service, which starts with a letter and holds only a-z, 0-9 and -; take another name" .Release.Name }}
{{- end }}
{{- end }}

{{- define "twister2-job.validate.ports" -}}
{{- $names := list "worker" }}
{{- range $k, $port := .Values.additionalPorts }}
{{- if has $port.name $names }}
{{ printf "additionalPorts[%d].name: %s is the name of another port of the worker; give each port its own name" $k $port.name }}
{{- end }}
{{- if or (gt (len $port.name) 12) (not (regexMatch "^[a-z]([a-z0-9]|-[a-z])*$" $port.name)) }}
{{ printf "additionalPorts[%d].name: %s is no name of a port; take at most 12 of a-z, 0-9 and -, with a letter first and behind each -" $k $port.name }}
{{- end }}
{{- $names = append $names $port.name }}
{{- end }}
{{- $stride := add1 (len .Values.additionalPorts) }}
{{- range .Job.groups }}
{{- $last := sub (add (int $.Values.workerPort) (mul .workersPerPod $stride)) 1 }}
{{- if gt $last 65535 }}
{{ printf "workerPort: %d with %d workers per pod and %d ports a worker ends at %d, above 65535; take %d or lower" (int $.Values.workerPort) (int .workersPerPod) $stride $last (sub 65536 (mul .workersPerPod $stride)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "twister2-job.validate.drain" -}}
{{- $drain := int .Values.drainSeconds }}
{{- $grace := int .Values.terminationGracePeriodSeconds }}
{{- if lt $drain 0 }}
{{ printf "drainSeconds: it is %d, and nobody can wait less than no time; set drainSeconds=0 or higher" $drain }}
{{- else if and (include "twister2-job.drains" .) (ge $drain $grace) }}
{{ printf "drainSeconds: it is %d, but a pod is killed %d seconds (terminationGracePeriodSeconds) after it was told to go, and the worker would not see SIGTERM before that; set drainSeconds=%d, or terminationGracePeriodSeconds=%d or higher" $drain $grace (max 0 (sub $grace 1)) (add $drain 1) }}
{{- end }}
{{- end }}
