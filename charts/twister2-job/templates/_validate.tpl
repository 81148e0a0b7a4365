{{- /*
The rules that the schema can't say, and the one-worker-per-pod rule once more for --skip-schema-validation. All
problems are collected, so that one run shows them all; each is "path: problem; remedy".
*/}}
{{- define "twister2-job.validate" -}}
{{- range $rules := list (list "counts") (list "release" "names" "ports" "drain" "job" "persistence" "nodePort" "perWorker" "exposedPorts" "nodePortNumbers" "networkPolicy" "podDisruptionBudget" "extraObjects" "pod" "kubernetes") }}
{{- $problems := list }}
{{- range $rules }}
{{- $problems = concat $problems ((include (printf "twister2-job.validate.%s" .) $ | fromJson).problems | default list) }}
{{- end }}
{{- if $problems }}
{{- fail (printf "\n%s" (join "\n" $problems)) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Numbers of things that are made; the rules after these make lists of them. */}}
{{- define "twister2-job.validate.counts" -}}
{{- $problems := list }}
{{- range .Job.groups }}
{{- if or (lt .instances 1) (gt .instances 10000) }}
{{- $problems = append $problems (printf "%sinstances: it is %d; a group has 1 to 10000 pods" .path .instances) }}
{{- end }}
{{- if or (lt .workersPerPod 1) (gt .workersPerPod 100) }}
{{- $problems = append $problems (printf "%sworkersPerPod: it is %d; a pod has 1 to 100 workers" .path .workersPerPod) }}
{{- end }}
{{- end }}
{{- $perWorker := .Values.perWorker }}
{{- if $perWorker.enabled }}
{{- if or (lt (int $perWorker.count) 0) (gt (int $perWorker.count) 10000) }}
{{- $problems = append $problems (printf "perWorker.count: it is %d; the chart makes at most 10000 Services" (int $perWorker.count)) }}
{{- end }}
{{- if gt (int $perWorker.maxServices) 10000 }}
{{- $problems = append $problems (printf "perWorker.maxServices: it is %d; the chart makes at most 10000 Services" (int $perWorker.maxServices)) }}
{{- end }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}

{{- define "twister2-job.validate.release" -}}
{{- $problems := list }}
{{- if gt (len .Release.Name) 49 }}
{{- $problems = append $problems (printf "release name %s: it is %d characters long, and names of the job's objects are made of it; take one of at most 49" .Release.Name (len .Release.Name)) }}
{{- end }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" .Release.Name) }}
{{- $problems = append $problems (printf "release name %s: it is the name of a Service, which starts with a letter and holds only a-z, 0-9 and -; take another name" .Release.Name) }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}

{{- define "twister2-job.validate.ports" -}}
{{- $problems := list }}
{{- $names := list "worker" }}
{{- range $k, $port := .Values.additionalPorts }}
{{- if has $port.name $names }}
{{- $problems = append $problems (printf "additionalPorts[%d].name: %s is the name of another port of the worker; give each port its own name" $k $port.name) }}
{{- end }}
{{- $names = append $names $port.name }}
{{- end }}
{{- $stride := add1 (len .Values.additionalPorts) }}
{{- range .Job.groups }}
{{- $last := sub (add (int $.Values.workerPort) (mul .workersPerPod $stride)) 1 }}
{{- if gt $last 65535 }}
{{- $problems = append $problems (printf "workerPort: %d with %d workers per pod and %d ports a worker ends at %d, above 65535; take %d or lower" (int $.Values.workerPort) (int .workersPerPod) $stride $last (sub 65536 (mul .workersPerPod $stride))) }}
{{- end }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}

{{- define "twister2-job.validate.drain" -}}
{{- $problems := list }}
{{- $drain := int .Values.drainSeconds }}
{{- $grace := int .Values.terminationGracePeriodSeconds }}
{{- if lt $drain 0 }}
{{- $problems = append $problems (printf "drainSeconds: it is %d, and nobody can wait less than no time; set drainSeconds=0 or higher" $drain) }}
{{- else if and (include "twister2-job.drains" .) (ge $drain $grace) }}
{{- $problems = append $problems (printf "drainSeconds: it is %d, but a pod is killed %d seconds (terminationGracePeriodSeconds) after it was told to go, and the worker would not see SIGTERM before that; set drainSeconds=%d, or terminationGracePeriodSeconds=%d or higher" $drain $grace (max 0 (sub $grace 1)) (add $drain 1)) }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}

{{- define "twister2-job.validate.nodePort" -}}
{{- $problems := list }}
{{- $nodePort := .Values.nodePort }}
{{- if $nodePort.enabled }}
{{- range .Job.groups }}
{{- if ne (int .workersPerPod) 1 }}
{{- $path := print .path "workersPerPod" }}
{{- $problems = append $problems (printf "%s: it is %d, but nodePort.enabled=true needs one worker per pod, because a node port reaches one port of a pod; set %s=1 or nodePort.enabled=false" $path (int .workersPerPod) $path) }}
{{- end }}
{{- end }}
{{- if and (int ($nodePort.advertisedPort | default 0)) (not $nodePort.advertisedHost) }}
{{- $problems = append $problems "nodePort.advertisedPort: it has no effect without a host; set nodePort.advertisedHost too" }}
{{- end }}
{{- else }}
{{- range $key := list "port" "ports" "nodePorts" }}
{{- if index $nodePort $key }}
{{- $problems = append $problems (printf "nodePort.%s: it is set, but nodePort.enabled is false; set nodePort.enabled=true or leave nodePort.%s out" $key $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}
